"""One evaluation: generate galaxies, measure them, compare with the reference, in plain Python.

The same function serves every rung of every trial and, with more galaxies, the finalists.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.atomic import atomically
from study.config.study import METRICS

WORST = {"energy": 100.0, "spectrum": 100.0}
"""Finite values reported for a diverged trial; any KS distance is then 1."""

GRID_IMAGES = 64


@dataclass(frozen=True)
class Reference:
    """Real galaxies that generated ones are compared with.

    Attributes
    ----------
    catalogue : DataFrame
        Their measured properties.
    images : (N, H, W, C) uint8 array
        The galaxies.
    """

    catalogue: pd.DataFrame
    images: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found.

    Attributes
    ----------
    metrics : dict of str to float
        Finite numbers by their MLflow names.
    catalogue : DataFrame or None
        Of the generated galaxies; None when the trial had diverged.
    images : (n, H, W, C) uint8 array or None
        The generated galaxies.
    rankable : bool
        Enough fits succeeded for the shape distributions to mean anything.
    """

    metrics: dict[str, float]
    catalogue: pd.DataFrame | None
    images: np.ndarray | None
    rankable: bool


def evaluate(images: np.ndarray, reference: Reference, *, engine: str, jobs: int | None = None) -> Evaluation:
    """Measure generated galaxies and compare them with the reference.

    Parameters
    ----------
    images : (n, H, W, C) uint8 array
        Generated galaxies.
    reference : Reference
        Real ones, measured in the same way.
    engine : str
        Of `eval.measure.measure`.
    jobs : int or None
        Threads; None: what the process may use.
    """
    from eval.measure import measure

    return judge(images, measure(images, engine=engine, jobs=jobs), reference)


def judge(images: np.ndarray, catalogue: pd.DataFrame, reference: Reference) -> Evaluation:
    """Compare a catalogue that is already measured; `images` serve the power spectrum."""
    from eval.distances import compare
    from eval.statistics.spectra import spectrum_distance

    comparison = compare(reference.catalogue, catalogue)
    metrics = dict(comparison.metrics())
    metrics["spectrum"] = float(spectrum_distance(reference.images[:2000], images[:2000]))
    metrics = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    return Evaluation(metrics, catalogue, images, bool(comparison.rankable))


def diverged() -> Evaluation:
    """The evaluation of a trial that can draw nothing: the worst finite values."""
    metrics = {metric: WORST.get(name, 1.0) for name, metric in METRICS.items()}
    return Evaluation({**metrics, "failed/generated": 1.0}, None, None, False)


def objectives(metrics: dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """The values to minimise, by the name used in the file; one that could not be computed is the worst."""
    return {name: metrics.get(METRICS[name], WORST.get(name, 1.0)) for name in names}


def write_evaluation(evaluation: Evaluation, folder: Path, facts: dict[str, Any]) -> None:
    """Write metrics, catalogue and sample grid; `evaluation.json` comes last and so marks completeness."""
    folder.mkdir(parents=True, exist_ok=True)
    if evaluation.catalogue is not None:
        from eval.catalogue import write_catalogue

        write_catalogue(evaluation.catalogue, folder / "generated.parquet")
    if evaluation.images is not None:
        from eval.plots.distributions import contact_sheet

        write_png(contact_sheet(evaluation.images[:GRID_IMAGES], columns=8), folder / "samples.png")
    content = {**facts, "metrics": evaluation.metrics, "rankable": evaluation.rankable}
    atomically(folder / "evaluation.json", lambda path: path.write_text(json.dumps(content, indent=1)))


def write_png(image: np.ndarray, path: Path) -> None:
    """Write a (H, W, 3) uint8 array as PNG, atomically."""
    from PIL import Image

    atomically(path, lambda partial: Image.fromarray(image).save(partial, format="PNG"))
