"""One evaluation: generate galaxies, measure them, compare with the reference, in plain Python.

The same function serves every rung of every trial and, with more galaxies, the finalists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from study.config.sections import METRICS
from study.tasks.evaluator import Evaluation, finite
from study.tasks.generation.objective import WORST
from study.tasks.pictures import write_png

GRID_IMAGES = 64
SPECTRUM_IMAGES = 2000


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


@dataclass(frozen=True, kw_only=True)
class GalaxyEvaluation(Evaluation):
    """What one evaluation of generated galaxies found.

    Attributes
    ----------
    catalogue : DataFrame or None
        Of the generated galaxies; None when the trial had diverged.
    images : (n, H, W, C) uint8 array or None
        The generated galaxies.
    """

    catalogue: pd.DataFrame | None = None
    images: np.ndarray | None = None

    def _write_files(self, folder: Path) -> None:
        if self.catalogue is not None:
            from eval.catalogue import write_catalogue

            write_catalogue(self.catalogue, folder / "generated.parquet")
        if self.images is not None:
            from eval.plots.distributions import contact_sheet

            write_png(contact_sheet(self.images[:GRID_IMAGES], columns=8), folder / "samples.png")


def evaluate(images: np.ndarray, reference: Reference, *, engine: str, jobs: int | None = None) -> GalaxyEvaluation:
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


def judge(images: np.ndarray, catalogue: pd.DataFrame, reference: Reference) -> GalaxyEvaluation:
    """Compare a catalogue that is already measured; `images` serve the power spectrum."""
    from eval.distances import compare
    from eval.statistics.spectra import spectrum_distance

    comparison = compare(reference.catalogue, catalogue)
    spectrum = spectrum_distance(reference.images[:SPECTRUM_IMAGES], images[:SPECTRUM_IMAGES])
    return GalaxyEvaluation(
        metrics=finite({**comparison.metrics(), "spectrum": float(spectrum)}),
        rankable=bool(comparison.rankable),
        catalogue=catalogue,
        images=images,
    )


def diverged() -> GalaxyEvaluation:
    """The evaluation of a trial that can draw nothing: the worst finite values."""
    metrics = {metric: WORST.get(name, 1.0) for name, metric in METRICS.items()}
    return GalaxyEvaluation(metrics={**metrics, "failed/generated": 1.0})
