"""What Fussell & Moews (2019, MNRAS 485, 3203; sec. 3.2) say, by eye, of each factor of their ablation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from study.config.search_space import Point


@dataclass(frozen=True)
class Finding:
    """A verdict of the paper.

    Attributes
    ----------
    words : str
        What they saw.
    expected : {"worse", "same"}
        What a distance between real and generated galaxies would do if it saw the same.
    """

    words: str
    expected: Literal["worse", "same"]


KERNEL = Finding("asymmetric galaxies, sharp cut-offs", "worse")
NARROW = Finding("wider is better", "worse")
BATCH = Finding("W = 128 at B = 32 makes spiral arms", "worse")
NO_NORM = Finding("no colour, no diversity", "worse")
SMOOTHING = Finding("cleaner, less diverse; no clear gain", "same")
DROPOUT = {
    "generator": Finding("bad", "worse"),
    "discriminator": Finding("less diverse", "worse"),
}


def finding(point: Point, baseline: Callable[[str], Any]) -> Finding | None:
    """The paper's verdict on a level, or None where it has none.

    Parameters
    ----------
    point : dict
        What the level sets.
    baseline : callable
        The baseline's value at a path.
    """
    if not set(point) <= {"model.width", "train.batch_size"}:
        return _single(point)
    width, batch = (point.get(path, baseline(path)) for path in ("model.width", "train.batch_size"))
    if width < baseline("model.width"):
        return NARROW
    if width == baseline("model.width") and batch > baseline("train.batch_size"):
        return BATCH
    return None


def _single(point: Point) -> Finding | None:
    if len(point) != 1:
        return None
    (path, value), *_ = point.items()
    if path == "model.kernel_size" and value == 6:
        return KERNEL
    if path == "model.batch_norm" and value is False:
        return NO_NORM
    if path == "train.label_smoothing" and value:
        return SMOOTHING
    if path == "train.dropout.placement":
        return DROPOUT.get(value)
    return None
