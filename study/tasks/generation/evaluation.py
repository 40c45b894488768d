"""One evaluation: generate galaxies, measure them, compare with the reference, in plain Python.

The same function serves every rung of every trial and, with more galaxies, the finalists.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eval.metrics import GALAXIES, Sample, Samples
from study.tasks.evaluator import Evaluation, finite
from study.tasks.pictures import write_png

GRID_IMAGES = 64


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


def evaluate(images: np.ndarray, reference: Sample, *, engine: str, jobs: int | None = None) -> GalaxyEvaluation:
    """Measure generated galaxies and compare them with the reference.

    Parameters
    ----------
    images : (n, H, W, C) uint8 array
        Generated galaxies.
    reference : Sample
        Real galaxies, measured in the same way.
    engine : str
        Of `eval.measure.measure`.
    jobs : int or None
        Threads; None: what the process may use.
    """
    from eval.measure import measure

    return judge(images, measure(images, engine=engine, jobs=jobs), reference)


def judge(images: np.ndarray, catalogue: pd.DataFrame, reference: Sample) -> GalaxyEvaluation:
    """Compare a catalogue that is already measured; `images` serve the metrics of images."""
    samples = Samples(reference, Sample(catalogue, images))
    return GalaxyEvaluation(
        metrics=finite({**samples.comparison.metrics(), **GALAXIES.evaluate(samples)}),
        rankable=bool(samples.comparison.rankable),
        catalogue=catalogue,
        images=images,
    )


def diverged() -> GalaxyEvaluation:
    """Return the evaluation of a trial that can draw nothing: the worst finite values."""
    worst = {metric.key: metric.shown(metric.worst) for metric in GALAXIES if metric.objective}
    return GalaxyEvaluation(metrics={**worst, "failed/generated": 1.0})
