"""One evaluation of an enhancer: enhance held-out pairs, judge them against their targets, draw triptychs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.atomic import atomically
from study.tasks.evaluator import Evaluation, finite
from study.tasks.pictures import write_png

if TYPE_CHECKING:
    import pandas as pd

TRIPTYCHS = 6
SMALLEST_SHOWN = 128  # px: smaller images are enlarged for the eye
CONTRAST = 4  # of difference images
RANKABLE_FITS = 0.7


@dataclass(frozen=True, kw_only=True)
class PairEvaluation(Evaluation):
    """What one evaluation of an enhancer found.

    Attributes
    ----------
    tables : dict of str to DataFrame
        By file name: one row per galaxy, and detections by magnitude; empty when the trial had diverged.
    pictures : dict of str to (H, W, 3) uint8 array
        By file name: `triptychs` and `differences` of the same galaxies at every evaluation.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def _write_files(self, folder: Path) -> None:
        for name, table in self.tables.items():
            atomically(folder / f"{name}.parquet", table.to_parquet)
        for name, picture in self.pictures.items():
            write_png(picture, folder / f"{name}.png")


def evaluate_pairs(
    generator: Any, inputs: np.ndarray, targets: np.ndarray, *, engine: str, jobs: int | None = None
) -> PairEvaluation:
    """Enhance the inputs and judge the result.

    Parameters
    ----------
    generator : torch module
        From `EnhanceTrainer.generator_for_sampling` or `load_enhancer`; used where it is.
    inputs, targets : (n, S, S, C) and (n, kS, kS, C) uint8 arrays
        Held-out pairs.
    engine : str
        Of `eval.measure.measure`.
    jobs : int or None
        Threads; None: what the process may use.
    """
    from eval.statistics.enhancement import judge
    from gan.enhance.apply.enhancer import enhance

    predictions = enhance(generator, inputs, tile=inputs.shape[1])
    result = judge(inputs, predictions, targets, engine=engine, jobs=jobs)
    metrics = finite(result.metrics())
    tables = {"galaxies": result.table, "detections": result.detections}
    pictures = triptychs(*(stack[_fixed(len(inputs))] for stack in (inputs, predictions, targets)))
    rankable = metrics.get("failed/prediction", 1.0) <= 1 - RANKABLE_FITS
    return PairEvaluation(metrics=metrics, rankable=rankable, tables=tables, pictures=pictures)


def _fixed(count: int) -> np.ndarray:
    """Rows that are drawn: always the same, spread over the pairs."""
    return np.unique(np.linspace(0, count - 1, min(TRIPTYCHS, count)).astype(int))


def triptychs(inputs: np.ndarray, predictions: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Sheets of input, prediction and target, and of the differences input - target and prediction - target.

    One galaxy a row. Inputs of another size are repeated pixel by pixel. A difference of 0 is mid-grey, one of
    `255 / (2 * CONTRAST)` levels is white.

    Parameters
    ----------
    inputs, predictions, targets : (n, S, S, C), (n, kS, kS, C) and (n, kS, kS, C) uint8 arrays

    Returns
    -------
    dict of str to (H, W, 3) uint8 array
        `triptychs` and `differences`.
    """
    from eval.plots.distributions import contact_sheet

    k = targets.shape[1] // inputs.shape[1]
    large = inputs.repeat(k, 1).repeat(k, 2)
    zoom = max(1, -(-SMALLEST_SHOWN // targets.shape[1]))

    def sheet(*columns: np.ndarray) -> np.ndarray:
        stacked = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
        return contact_sheet(stacked.repeat(zoom, 1).repeat(zoom, 2), columns=len(columns))

    def less(images: np.ndarray) -> np.ndarray:
        shifted = 127.5 + CONTRAST * (images.astype(np.float32) - targets)
        return np.asarray(np.clip(shifted, 0, 255), np.uint8)

    return {"triptychs": sheet(large, predictions, targets), "differences": sheet(less(large), less(predictions))}


def diverged() -> PairEvaluation:
    """The evaluation of a trial whose networks are worth nothing: the worst finite values are its objectives."""
    return PairEvaluation(metrics={"failed/prediction": 1.0})
