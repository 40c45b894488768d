"""What a figure is made from, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.paper_figures.chain import Stage2
from study.paper_figures.data import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureRequest:
    """What a figure may be made from.

    Attributes
    ----------
    source : Source
        The study.
    stage2 : Stage2 or None
        Enlarges its galaxies.
    n : int
        Galaxies to draw and compare where the study keeps none.
    progress : callable
        Called with (what, done, total).
    """

    source: Source
    stage2: Stage2 | None
    n: int
    progress: Callable[[str, int, int], None]


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure with its caption."""

    figure: Figure
    caption: str
