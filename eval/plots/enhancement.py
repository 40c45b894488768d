"""The figure of a judged enhancement: four properties against the targets', power spectra, sources by magnitude."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from eval.plots.distributions import GENERATED_COLOR, INK, REAL_EDGE, new_figure
from eval.properties import PROPERTIES
from eval.statistics.enhancement_result import EnhancementResult, difference, robust

INPUT_COLOR = "#e69f00"


def enhancement_figure(result: EnhancementResult, *, title: str | None = None) -> Figure:
    """How far the four properties are from the targets', the power spectra over the targets', and sources found.

    Parameters
    ----------
    result : EnhancementResult
    title : str, optional
        First line of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        12 x 7.4 inches, six panels.
    """
    figure = new_figure(12, 7.4, top=0.9)
    axes = figure.subplots(2, 3)
    for axis, name in zip(axes.flat[:4], PROPERTIES, strict=True):
        _differences(axis, name, result)
    _spectra(axes.flat[4], result)
    _sources(axes.flat[5], result)
    metrics = result.metrics()
    headline = (
        f"PSNR {metrics['psnr']:.2f} dB (input {metrics['psnr/input']:.2f}),  "
        f"SSIM {metrics['ssim']:.3f} (input {metrics['ssim/input']:.3f}),  {len(result):,} galaxies"
    )
    figure.text(
        0.012, 0.985, title or "Enhanced against deep images", fontsize=13, fontweight="bold", va="top", color=INK
    )
    figure.text(0.012, 0.945, headline, fontsize=11, va="top", color=INK)
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper right", ncols=2, frameon=False, fontsize=10.5)
    return figure


def _differences(axis: Any, name: str, result: EnhancementResult) -> None:
    sides = {"input": difference(result.table, name, "/input"), "prediction": difference(result.table, name)}
    finite = {side: values[np.isfinite(values)] for side, values in sides.items()}
    spread = max((np.quantile(np.abs(values), 0.95) for values in finite.values() if len(values)), default=0.0)
    edges = np.linspace(-1, 1, 30) * max(float(spread), 1e-3)
    for (side, values), color in zip(finite.items(), (INPUT_COLOR, GENERATED_COLOR), strict=True):
        counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
        share = 100 * counts / max(len(values), 1)
        filled = side == "input"
        axis.stairs(share, edges, fill=filled, alpha=0.45 if filled else 1, color=color, linewidth=1.8, label=side)
    axis.axvline(0, color=REAL_EDGE, linewidth=0.8)
    notes = ["{} {:+.3f} ± {:.3f}".format(side, *robust(values)) for side, values in sides.items()]
    axis.set_title(",  ".join(notes), fontsize=9.5, loc="left", color=INK)
    axis.set_xlabel(f"{PROPERTIES[name].difference}, minus target's")
    axis.set_ylabel("galaxies [%]")


def _spectra(axis: Any, result: EnhancementResult) -> None:
    for spectra, color in ((result.spectra_input, INPUT_COLOR), (result.spectra, GENERATED_COLOR)):
        axis.plot(spectra.frequency, spectra.generated - spectra.real, color=color, linewidth=1.8)
    axis.axhline(0, color=REAL_EDGE, linewidth=0.8)
    axis.set_xlabel("frequency [cycles per px]")
    axis.set_ylabel("log power, minus target's [dex]")


def _sources(axis: Any, result: EnhancementResult) -> None:
    for table, color in ((result.detections_input, INPUT_COLOR), (result.detections, GENERATED_COLOR)):
        magnitude = table["magnitude"].to_numpy(np.float64)
        axis.plot(magnitude, table["completeness"], color=color, marker="o", markersize=3, linewidth=1.8)
        axis.plot(magnitude, table["contamination"], color=color, linewidth=1.2, linestyle="--")
    axis.plot([], [], color=REAL_EDGE, label="complete")
    axis.plot([], [], color=REAL_EDGE, linestyle="--", label="contaminated")
    axis.set_ylim(-0.03, 1.03)
    axis.set_xlabel("magnitude, $-2.5 \\log_{10}$ grey levels")
    axis.set_ylabel("share of sources")
    axis.legend(frameon=False, fontsize=9)
