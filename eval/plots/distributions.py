"""Figures of a comparison: histograms of the four properties, power spectra, contact sheets.

Figures are matplotlib objects with the Agg canvas, made without pyplot: no state, no window,
safe in threads and workers. Colors are from the palette of Okabe & Ito (2008), told apart
by every common color vision; real is always a grey area, generated always a line on top of it.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter, StrMethodFormatter

from common.atomic import atomic_path
from eval.distances import Comparison
from eval.properties import PROPERTIES
from eval.settings import MeasurementSettings
from eval.statistics.spectra import SpectrumComparison

REAL_COLOR = "#b8b8b8"
REAL_EDGE = "#6e6e6e"
GENERATED_COLOR = "#0072b2"
ALERT_COLOR = "#d55e00"
INK = "#262626"


def histogram_figure(
    real: pd.DataFrame, generated: pd.DataFrame, comparison: Comparison, *, title: str | None = None
) -> Figure:
    """Histograms of the four properties, real and generated (the kind of F&M fig. 8 and 9).

    Every panel shows shares of *all* galaxies of a side, so the two outlines enclose what was
    fitted; those without a fit stand apart on the left, as the objective counts them.

    Parameters
    ----------
    real, generated : DataFrame
        The two catalogues.
    comparison : Comparison
        `eval.distances.compare` of the two.
    title : str, optional
        First line of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        10.5 x 7.6 inches.
    """
    figure = new_figure(10.5, 7.6, top=0.9)
    axes = figure.subplots(2, 2)
    edges = _edges(real, generated)
    for axis, name in zip(axes.flat, PROPERTIES, strict=True):
        _histogram(axis, name, real, generated, edges[name])
        ks, dropped = comparison.ks[name], comparison.ks_dropped[name]
        note = f"KS {ks:.3f}   floor {comparison.floor:.3f} (95%: {comparison.floor_95:.3f})"
        axis.set_title(note, fontsize=10.5, color=INK if ks <= comparison.floor_95 else ALERT_COLOR, loc="left")
        if math.isfinite(dropped):
            axis.set_title(f"fits only {dropped:.3f}", fontsize=9, color=INK, loc="right")
    for axis in axes[:, 0]:
        axis.set_ylabel("share of all galaxies [%]")
    sides = (("real", comparison.n_real), ("generated", comparison.n_generated))
    names = [f"{side}: n = {n:,}, no fit {comparison.failed[side]:.1%}" for side, n in sides]
    handles, _ = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="upper right", bbox_to_anchor=(0.985, 0.992), ncols=2, frameon=False, fontsize=10.5
    )
    headline = f"mean KS {comparison.ks_mean:.3f},  floor {comparison.floor:.3f}"
    if not comparison.rankable:
        headline += "\ntoo few fits to rank"
    figure.text(0.012, 0.985, title or "Shapes of galaxies", fontsize=13, fontweight="bold", va="top", color=INK)
    figure.text(0.012, 0.947, headline, fontsize=11, va="top", color=INK)
    return figure


def _edges(real: pd.DataFrame, generated: pd.DataFrame) -> dict[str, np.ndarray]:
    """Bin edges that suit each property: sizes are binned by the lattice that they were measured on."""
    settings = {**MeasurementSettings().as_dict(), **_settings(real)}
    both = pd.concat([real[list(PROPERTIES)], generated[list(PROPERTIES)]])
    flux = both["flux"].to_numpy(np.float64)
    flux = flux[np.isfinite(flux) & (flux > 0)]
    low, high = np.quantile(flux, [0.001, 0.999]) if len(flux) else (1.0, 10.0)
    size = both["semi_major_axis"].to_numpy(np.float64)
    size = size[np.isfinite(size) & (size > 0)]
    growth = 1.0 + float(settings["step"])
    steps = np.log((size if len(size) else np.array([100.0])) / float(settings["sma0"])) / math.log(growth)
    first, last = round(float(steps.min())) - 1, round(float(steps.max())) + 1
    return {
        "ellipticity": np.linspace(0, 1, 41),
        "position_angle": np.linspace(-90, 90, 37),
        "flux": np.geomspace(low * 0.8, max(high, low * 1.01) * 1.25, 42),
        "semi_major_axis": float(settings["sma0"]) * growth ** (np.arange(first, last + 2) - 0.5),
    }


def _settings(catalogue: pd.DataFrame) -> dict[str, Any]:
    measurement = catalogue.attrs.get("measurement", {})
    known = {**measurement, **measurement.get("settings", {})}
    return {name: known[name] for name in ("sma0", "step") if name in known}


def _histogram(axis: Any, name: str, real: pd.DataFrame, generated: pd.DataFrame, edges: np.ndarray) -> None:
    shares, missing = [], []
    for catalogue in (real, generated):
        values = catalogue[name].to_numpy(np.float64)
        if "status" in catalogue:
            values = np.where((catalogue["status"] == "ok").to_numpy(), values, np.nan)
        fitted = values[np.isfinite(values)]
        # What lies beyond the last edge is counted in the last bin, and never lost.
        counts, _ = np.histogram(np.clip(fitted, edges[0], edges[-1]), edges)
        shares.append(100 * counts / len(values))
        missing.append(100 * (1 - len(fitted) / len(values)))
    logarithmic = name in ("flux", "semi_major_axis")
    if logarithmic:
        axis.set_xscale("log")
    position = np.log(edges) if logarithmic else edges
    back = np.exp if logarithmic else np.asarray
    span = position[-1] - position[0]
    bar = back(position[0] - span * np.array([0.075, 0.025]))
    axis.stairs(shares[0], edges, fill=True, color=REAL_COLOR, label="real")
    axis.stairs(shares[0], edges, color=REAL_EDGE, linewidth=0.8)
    axis.stairs(shares[1], edges, color=GENERATED_COLOR, linewidth=1.8, label="generated")
    axis.stairs(missing[:1], bar, fill=True, color=REAL_COLOR, hatch="////", edgecolor=REAL_EDGE, linewidth=0.8)
    axis.stairs(missing[1:], bar, color=GENERATED_COLOR, linewidth=1.8)
    axis.set_xlim(*back(position[0] + span * np.array([-0.1, 1.02])))
    peak = max(*shares[0], *shares[1], 1.0)
    top = min(max(peak, *missing), 6 * peak)
    axis.set_ylim(0, 1.1 * top)
    label = "no fit" if max(missing) <= top else "no fit ↑"
    where = (back(position[0] - 0.05 * span), min(max(missing), 1.02 * top))
    behind = {"facecolor": axis.get_facecolor(), "edgecolor": "none", "pad": 1.5}
    axis.annotate(label, where, (0, 3), textcoords="offset points", ha="center", fontsize=8.5, color=INK, bbox=behind)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel(PROPERTIES[name].axis)
    if name == "position_angle":
        axis.set_xticks(np.arange(-90, 91, 30))
    elif name == "semi_major_axis":
        axis.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 3, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    elif name == "flux":
        axis.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(9, 9)))
        axis.xaxis.set_minor_formatter(NullFormatter())


def spectrum_figure(comparison: SpectrumComparison, *, title: str | None = None) -> Figure:
    """Mean radial power spectra with the spread of single images, and their difference beside its floor.

    Parameters
    ----------
    comparison : SpectrumComparison
        From `eval.statistics.spectra.compare_spectra`.
    title : str, optional
        First line of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        8 x 6.4 inches.
    """
    figure = new_figure(8, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    frequency = comparison.frequency
    above.fill_between(frequency, *(10**comparison.real_band), color=REAL_COLOR, alpha=0.6, linewidth=0)
    above.fill_between(frequency, *(10**comparison.generated_band), color=GENERATED_COLOR, alpha=0.15, linewidth=0)
    above.plot(frequency, 10**comparison.real, color=REAL_EDGE, linewidth=2.4, label="real (band: 68% of images)")
    above.plot(frequency, 10**comparison.generated, color=GENERATED_COLOR, linewidth=1.6, label="generated")
    above.set(yscale="log", ylabel="power [DN$^2$]")
    above.legend(frameon=False, loc="upper right", fontsize=10.5)
    above.axvline(0.5, color=REAL_EDGE, linewidth=0.8, linestyle=":")
    floor = f"floor {comparison.floor:.3f}" if comparison.floor is not None else "too few images for a floor"
    above.set_title(f"distance {comparison.distance:.3f} dex,  {floor}", fontsize=10.5, loc="left", color=INK)
    below.axhline(0, color=REAL_EDGE, linewidth=1)
    if comparison.floor is not None:
        below.axhspan(-comparison.floor, comparison.floor, color=REAL_COLOR, alpha=0.6, linewidth=0, label="floor")
        below.legend(frameon=False, loc="upper left", fontsize=9.5)
    difference = comparison.generated - comparison.real
    below.plot(frequency, difference, color=GENERATED_COLOR, linewidth=1.6)
    below.axvline(0.5, color=REAL_EDGE, linewidth=0.8, linestyle=":")
    reach = 1.15 * max(float(np.abs(difference).max()), 2 * (comparison.floor or 0), 0.02)
    below.set(ylim=(-reach, reach), xlim=(0, frequency[-1] * 1.01))
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
    below.set_ylabel("generated - real [dex]")
    below.set_xlabel("spatial frequency [cycles per px]  (dotted: stripes of 1 px; right end: a checkerboard of 1 px)")
    headline(figure, title or "Mean radial power spectra")
    return figure


def new_figure(width: float, height: float, *, top: float = 1.0) -> Figure:
    """An empty figure of so many inches, its panels below the share `top` of its height."""
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, top))
    figure = Figure(figsize=(width, height), dpi=120, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def headline(figure: Figure, title: str) -> None:
    """Write the first line of a figure."""
    figure.suptitle(title, fontsize=13, fontweight="bold", color=INK, x=0.01, ha="left")


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as PNG (or what the suffix says), whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        figure.savefig(partial)
    return path


def contact_sheet(images: Any, *, columns: int | None = None, padding: int = 2, background: int = 255) -> np.ndarray:
    """Lay images out on one sheet, row by row.

    Parameters
    ----------
    images : array_like
        (N, H, W) or (N, H, W, C). uint8 is shown as it is; anything else is stretched linearly
        from the least to the greatest finite value of the whole stack. One or two channels are
        shown grey, of more than three the first three.
    columns : int, optional
        Images in a row; None: about as many as there are rows.
    padding : int
        Pixels between and around the images.
    background : int
        Grey of the padding and of missing images, 0 to 255.

    Returns
    -------
    ndarray
        (rows * (H + padding) + padding, columns * (W + padding) + padding, 3) uint8.

    Raises
    ------
    ValueError
        No image, or not a stack of images.
    """
    images = np.asanyarray(images)
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(f"images of shape {images.shape} make no sheet: expected (N, H, W) or (N, H, W, C), N >= 1")
    if columns is not None and columns < 1:
        raise ValueError(f"columns = {columns!r} does not work: expected 1 or more")
    n, height, width = images.shape[:3]
    columns = min(n, columns or math.ceil(math.sqrt(n)))
    rows = math.ceil(n / columns)
    sheet = np.full(
        (rows * (height + padding) + padding, columns * (width + padding) + padding, 3), background, np.uint8
    )
    for index, image in enumerate(as_rgb(images)):
        top = padding + index // columns * (height + padding)
        left = padding + index % columns * (width + padding)
        sheet[top : top + height, left : left + width] = image
    return sheet


def as_rgb(images: np.ndarray) -> np.ndarray:
    """(N, H, W[, C]) of any type -> (N, H, W, 3) uint8."""
    images = images if images.ndim == 4 else images[..., None]
    images = images[..., :3] if images.shape[-1] >= 3 else images.mean(axis=-1, keepdims=True).astype(images.dtype)
    if images.dtype != np.uint8:
        finite = images[np.isfinite(images)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        scaled = (np.nan_to_num(images.astype(np.float64), nan=low) - low) * (255 / max(high - low, 1e-30))
        images = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.broadcast_to(images, (*images.shape[:3], 3))
