"""How the figures of a study look: grids of galaxies in labelled rows, losses, captions underneath."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.atomic import atomic_path

VERMILLION, BLUE, GREEN, PURPLE, ORANGE, GREY = "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#6e6e6e"
"""The palette of Okabe & Ito (2008); real galaxies are green, as in the paper's grids."""
CYCLE = (VERMILLION, BLUE, PURPLE, ORANGE, "#56b4e9", "#000000")
INK, MUTED = "#262626", "#4d4d4d"
PAGE = 10.5
"""Width of every grid, inches."""
CAPTION_SIZE = 8.5
DPI = 200


@dataclass(frozen=True)
class Row:
    """A row of a grid.

    Attributes
    ----------
    label : str
        At its left; line breaks are kept.
    images : (n, S, S, C) uint8 array
        Galaxies; smaller ones than the largest of the grid are shown enlarged by whole pixels.
    color : str
        Of the frame.
    """

    label: str
    images: np.ndarray
    color: str


def grid_figure(rows: Sequence[Row], *, title: str) -> Any:
    """Galaxies in rows, each in a coloured frame with its label.

    Parameters
    ----------
    rows : sequence of Row
        From top to bottom, images of equal count in columns.
    title : str
        First line of the figure.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(row.images) for row in rows)
    label = 0.35 + 0.085 * max(len(line) for row in rows for line in row.label.split("\n"))
    side = max(row.images.shape[1] for row in rows)
    cell = (PAGE - label) / columns
    gap, head = 0.10, 0.42
    height = head + len(rows) * (cell + gap)
    figure = Figure(figsize=(PAGE, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0, 1, title, fontsize=12.5, fontweight="bold", color=INK, va="top")
    for number, row in enumerate(rows):
        bottom = height - head - (number + 1) * (cell + gap) + gap
        strip = _strip(row.images, side, columns)
        axis = figure.add_axes((label / PAGE, bottom / height, (PAGE - label) / PAGE, cell / height))
        axis.imshow(strip, interpolation="none", aspect="auto")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(color=row.color, linewidth=2.2)
        bar = figure.add_axes(((label - 0.13) / PAGE, bottom / height, 0.07 / PAGE, cell / height))
        bar.set(xticks=[], yticks=[], facecolor=row.color)
        bar.spines[:].set_visible(False)
        middle = (bottom + cell / 2) / height
        figure.text((label - 0.2) / PAGE, middle, row.label, ha="right", va="center", fontsize=9.5, color=INK)
    return figure


def _strip(images: np.ndarray, side: int, columns: int) -> np.ndarray:
    """(n, s, s, C) -> one row of tiles of `side` with white seams; missing tiles are white."""
    from eval.plots.distributions import as_rgb

    factor = side // images.shape[1]
    large = as_rgb(np.asarray(images)).repeat(factor, axis=1).repeat(factor, axis=2)
    seam = max(1, side // 32)
    strip = np.full((side, columns * (side + seam) - seam, 3), 255, np.uint8)
    for place, image in enumerate(large):
        strip[:, place * (side + seam) : place * (side + seam) + side] = image
    return strip


@dataclass(frozen=True)
class Run:
    """The losses of a training.

    Attributes
    ----------
    label : str
        Title of its panel.
    curves : dict of str to (n, 2) array
        Epoch and loss of `generator` and `discriminator`.
    marks : list of (int, str)
        Epochs to mark, with a word for each.
    """

    label: str
    curves: dict[str, np.ndarray]
    marks: Sequence[tuple[int, str]] = ()


def loss_figure(runs: Sequence[Run], *, title: str) -> Any:
    """Losses of both networks against epoch, one panel for each run, on one scale."""
    from eval.plots.distributions import new_figure

    figure = new_figure(PAGE, 4.1, top=0.9)
    axes = np.atleast_1d(figure.subplots(1, len(runs), sharey=True))
    balance = 2 * math.log(2)
    for axis, run in zip(axes, runs, strict=True):
        styles = (("generator", BLUE, "-", "o"), ("discriminator", VERMILLION, "--", "s"))
        for side, color, line, marker in styles:
            epochs, values = run.curves[side].T
            every = max(1, len(epochs) // 12)
            axis.plot(
                epochs, values, line, color=color, marker=marker, markevery=every, markersize=4, linewidth=1.6,
                label=side,
            )  # fmt: skip
        axis.axhline(balance, color=GREY, linewidth=1, linestyle=":", label="discriminator that cannot tell: 2 ln 2")
        for epoch, word in run.marks:
            axis.axvline(epoch, color=GREY, linewidth=1)
            axis.annotate(
                word, (epoch, 0.98), (3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
                fontsize=8.5, va="top", rotation=90, color=INK,
            )  # fmt: skip
        axis.set_title(run.label, fontsize=10.5, loc="left", color=INK)
        axis.set(xlabel="epoch", ylim=(0, None))
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("loss")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=3, frameon=False, fontsize=9.5)
    figure.text(0.005, 0.985, title, fontsize=12.5, fontweight="bold", color=INK, va="top")
    return figure


def write_figure(figure: Any, caption: str, path: Path) -> None:
    """Write a figure with its caption underneath, whole or not at all; the kind is that of the suffix."""
    width, height = figure.get_size_inches()
    wrapped = textwrap.fill(caption, width=int(width * 15.6))
    figure.text(0.004, -0.12 / height, wrapped, fontsize=CAPTION_SIZE, color=MUTED, va="top", linespacing=1.35)
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=DPI, bbox_inches="tight", pad_inches=0.12)
