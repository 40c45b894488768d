"""Charts of a report as inline SVG: sharp at any size, no script, each mark with its numbers as a tooltip.

Colours are from the palette of Okabe & Ito (2008), as in `eval.plots.distributions`; what matters is never told by
colour alone. One unit of a chart is one pixel of the page.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullLocator

from study.results.ablation import Level

BEST, BASELINE, OTHER, STOPPED, ALERT = "#0072b2", "#222222", "#8a95a1", "#c3cad2", "#d55e00"
INK, MUTED, RULE, RUNG, RUNG_NAME = "#1f2430", "#667080", "#e4e7eb", "#b9a2c9", "#7d5f93"
FLOOR_BAND, FLOOR_LINE, FLOOR_NAME, NOISE = "#e3ebe4", "#009e73", "#00734f", "#eceff2"
NAME_HEIGHT = 14.0
MOST_NAMED, MOST_MARKED = 10, 100
"""Curves above which only the best and the baseline are named, and have a mark at every evaluation."""

Kind = Literal["best", "baseline", "other", "stopped"]


@dataclass(frozen=True)
class Floor:
    """What two samples of real galaxies differ by: the mean, and the value that 95% stay below."""

    mean: float
    bound: float | None


@dataclass(frozen=True)
class Curve:
    """One trial's objective over epochs.

    Attributes
    ----------
    name, label : str
        Short name at the line's end, and what its tooltip says.
    points : sequence of (float, float)
        Epoch and objective, at least one.
    kind : {"best", "baseline", "other", "stopped"}
        How it is drawn.
    """

    name: str
    label: str
    points: Sequence[tuple[float, float]]
    kind: Kind


@dataclass(frozen=True)
class Dot:
    """One trial in a scatter: position, tooltip, and how it is drawn."""

    x: float
    y: float
    label: str
    kind: Kind


class _Chart:
    """A figure with one set of axes whose marks have tooltips.

    Parameters
    ----------
    width, height : float
        In pixels.
    margin : (float, float, float, float)
        Above, right, below and left of the axes, in pixels.
    """

    def __init__(self, width: float, height: float, margin: tuple[float, float, float, float]):
        top, right, bottom, left = margin
        self.inner = (width - left - right, height - top - bottom)
        self.figure = Figure(figsize=(width / 72, height / 72))
        self.figure.patch.set_visible(False)
        frame = (left / width, bottom / height, self.inner[0] / width, self.inner[1] / height)
        self.axes = self.figure.add_axes(frame, facecolor="none")
        self.axes.spines[:].set_visible(False)
        self.axes.tick_params(length=0, labelsize=13, labelcolor=MUTED, pad=8)
        self._tips: list[tuple[str, Sequence[str]]] = []

    def tip(self, artist: Artist, *labels: str, name: str = "mark") -> None:
        """Give an artist a tooltip and a CSS class, or each mark of a scatter its own tooltip."""
        artist.set_gid(f"tip-{len(self._tips)}")
        self._tips.append((name, labels))

    def text(self, place: tuple[float, float], text: str, *, dx: float = 0, dy: float = 0, **style: Any) -> None:
        """Write beside a place of the axes; `dx` and `dy` in pixels."""
        look: dict[str, Any] = {"fontsize": 13, "color": MUTED, "va": "center"} | style
        self.axes.annotate(text, place, (dx, dy), textcoords="offset points", annotation_clip=False, **look)

    def floor_band(self, floor: Floor | None) -> None:
        """Show where real galaxies lie from real ones: up to the 95% point, the mean as a line."""
        if floor is None:
            return
        band = self.axes.axhspan(0, floor.bound or floor.mean, color=FLOOR_BAND, linewidth=0, zorder=0)
        self.tip(band, f"noise floor {floor.mean:.3f}" + (f", 95% below {floor.bound:.3f}" if floor.bound else ""))
        self.axes.axhline(floor.mean, color=FLOOR_LINE, linestyle=(0, (2, 3)), linewidth=1.2, zorder=1)

    def svg(self, title: str) -> Markup:
        """Return the chart as an element of a page, without anything to load and without names that could clash."""
        for artist in self.figure.findobj():
            artist.set_clip_on(False)
            if isinstance(artist, Text):
                artist.set_parse_math(False)
        buffer = io.StringIO()
        settings: dict[Any, Any] = {
            "svg.fonttype": "none",
            "svg.hashsalt": "report",
            "font.sans-serif": ["DejaVu Sans"],
        }
        with matplotlib.rc_context(settings):
            nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            self.figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        root = ElementTree.fromstring(buffer.getvalue())
        for element in root.iter():
            element.tag = element.tag.partition("}")[2]
            element.text = (element.text or "").strip()
            element.tail = ""
            element.attrib = {
                name.replace("{http://www.w3.org/1999/xlink}", "xlink:"): value for name, value in element.items()
            }
        root.remove(root[0])  # a style of all elements, which would be that of the whole page
        self._name(root)
        root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title}
        return Markup(ElementTree.tostring(root, encoding="unicode"))

    def _name(self, root: ElementTree.Element) -> None:
        """Put the tooltips in, and take away every name that nothing refers to."""
        referred = {element.get("xlink:href", "")[1:] for element in root.iter("use")}
        tips = {f"tip-{number}": tip for number, tip in enumerate(self._tips)}
        for element in root.iter():
            identity = element.get("id", "")
            if identity in tips:
                name, labels = tips[identity]
                element.attrib = {"class": name}
                marks = [element] if len(labels) == 1 else list(element.iter("use"))
                for mark, label in zip(marks, labels, strict=True):
                    told = ElementTree.Element("title")
                    told.text = label
                    mark.insert(0, told)
            elif identity not in referred:
                element.attrib.pop("id", None)


def objective_chart(
    curves: Sequence[Curve], *, metric: str, epochs: int, floor: Floor | None, rungs: Sequence[int]
) -> Markup:
    """Return the objective against epoch, all trials, with rungs and the floor."""
    values = [y for curve in curves for _, y in curve.points]
    top = max([*values, (floor.bound or 0.0) * 1.3 if floor else 0.0, 1e-3]) * 1.04
    chart = _Chart(1040, 400, (34, 70, 44, 56))
    axes = chart.axes
    axes.set(xlim=(0, epochs), ylim=(0, top))
    axes.set_xlabel("epoch", fontsize=13, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _value_axis(chart)
    chart.text((0, 1), metric, dx=-46, dy=10, xycoords="axes fraction", color=INK, va="baseline")
    chart.floor_band(floor)
    if floor is not None:
        chart.text((epochs, floor.mean), "floor", dx=6, color=FLOOR_NAME)
    for rung in rungs:
        axes.axvline(rung, color=RUNG, linestyle=(0, (4, 4)), linewidth=1, zorder=1)
        chart.text((rung, top), f"rung {rung}", dy=6, ha="center", va="baseline", color=RUNG_NAME)
    order = ("stopped", "other", "baseline", "best")
    for curve in sorted(curves, key=lambda c: order.index(c.kind)):
        _draw_curve(chart, curve, marked=len(curves) <= MOST_MARKED or curve.kind in ("best", "baseline"))
    named = [c for c in curves if len(curves) <= MOST_NAMED or c.kind in ("best", "baseline")]
    _name_ends(chart, named, step=NAME_HEIGHT * top / chart.inner[1])
    return chart.svg(f"{metric} against epoch")


def _value_axis(chart: _Chart) -> None:
    axis = chart.axes.yaxis
    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.grid(True, color=RULE, linewidth=1)
    chart.axes.set_axisbelow(True)


def _draw_curve(chart: _Chart, curve: Curve, *, marked: bool) -> None:
    colour, width, dash = _style(curve.kind)
    x, y = zip(*curve.points, strict=True)
    marker = "o" if marked or len(x) == 1 else ""
    size = 5.2 if curve.kind == "best" else 3.6
    (line,) = chart.axes.plot(
        x, y, color=colour, linewidth=width, linestyle=dash, marker=marker, markersize=size, markeredgewidth=0, zorder=2
    )
    chart.tip(line, curve.label, name="curve")
    if curve.kind == "stopped":
        chart.axes.plot(x[-1], y[-1], "x", color=OTHER, markersize=8, markeredgewidth=1.8, zorder=2)


def _name_ends(chart: _Chart, curves: Sequence[Curve], *, step: float) -> None:
    """Write names at the ends of curves, at least `step` apart where curves end together."""
    taken: dict[float, float] = {}
    for curve in sorted(curves, key=lambda c: c.points[-1], reverse=True):
        x, y = curve.points[-1]
        taken[x] = min(y, taken.get(x, math.inf) - step)
        colour = OTHER if curve.kind == "stopped" else _style(curve.kind)[0]
        weight = "bold" if curve.kind == "best" else "normal"
        chart.text((x, taken[x]), curve.name, dx=8, color=colour, fontweight=weight)


def _style(kind: Kind) -> tuple[str, float, Any]:
    return {
        "best": (BEST, 2.8, "-"),
        "baseline": (BASELINE, 2.0, (0, (3.5, 2))),
        "other": (OTHER, 1.3, "-"),
        "stopped": (STOPPED, 1.3, "-"),
    }[kind]


def scatter_chart(
    dots: Sequence[Dot], *, title: str, categories: Sequence[str] | None, bounds: tuple[float, float], log: bool,
    top: float, floor: Floor | None,
) -> Markup:  # fmt: skip
    """Return the objective against one axis; `categories` name the whole-numbered places of a choice."""
    chart = _Chart(340, 250, (14, 22, 36, 46))
    axes = chart.axes
    low, high = bounds
    if categories:
        axes.set(xlim=(-0.5, len(categories) - 0.5))
        axes.set_xticks(range(len(categories)), [_shortened(name, len(categories)) for name in categories])
    elif log:
        axes.set(xscale="log", xlim=bounds)
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high >= 100 * low else (1, 2, 5), numticks=5))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    else:
        room = 0.03 * (high - low) or 0.5
        axes.set(xlim=(low - room, high + room))
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.set(ylim=(0, top))
    _value_axis(chart)
    chart.floor_band(floor)
    # Dots of a category stand side by side, 2.2 px apart.
    apart = 2.2 * len(categories) / chart.inner[0] if categories else 0.0
    shifts = apart * ((7 * np.arange(len(dots))) % 11 - 5)
    for kind, style in DOTS.items():
        chosen = [
            (dot.x + shift, dot.y, dot.label) for dot, shift in zip(dots, shifts, strict=True) if dot.kind == kind
        ]
        if chosen:
            x, y, labels = zip(*chosen, strict=True)
            chart.tip(axes.scatter(x, y, zorder=2, **style), *labels)
    return chart.svg(title)


DOTS: dict[str, dict[str, Any]] = {
    "stopped": {"s": 64, "facecolors": "white", "edgecolors": OTHER, "linewidths": 1.5},
    "other": {"s": 70, "color": OTHER, "linewidths": 0},
    "baseline": {"s": 81, "color": BASELINE, "linewidths": 0, "marker": "s"},
    "best": {"s": 144, "color": BEST, "linewidths": 0},
}
"""How dots are drawn, the last on top; `s` is the square of the diameter in pixels."""


def bar_chart(shares: Sequence[tuple[str, float]], *, title: str) -> Markup:
    """Return horizontal bars of shares of one, from top to bottom as given."""
    chart = _Chart(720, 30 * len(shares) + 8, (4, 60, 4, 260))
    axes = chart.axes
    axes.set(xlim=(0, 1), ylim=(len(shares) - 0.5, -0.5), xticks=[])
    axes.set_yticks(range(len(shares)), [name for name, _ in shares], color=INK)
    bars = axes.barh(range(len(shares)), [max(share, 0.0) for _, share in shares], height=0.6, color=BEST)
    for bar, (name, share) in zip(bars, shares, strict=True):
        chart.tip(bar, f"{name}: {share:.1%}")
        chart.text((bar.get_width(), bar.get_y() + 0.3), f"{share:.0%}", dx=8, color=INK)
    return chart.svg(title)


def effect_chart(levels: Sequence[Level], *, metric: str) -> Markup:
    """Return paired effects with their 95% intervals and each seed's difference; the grey band is the noise."""
    noise = max((level.main.noise for level in levels), default=0.0)
    reach = [abs(difference) for level in levels for difference in level.main.differences]
    # A wide interval is cut at the frame: with two seeds Student's t makes it 12.7 times the spread.
    limit = 1.25 * max([*reach, 2 * noise, 1e-3])
    chart = _Chart(1040, 34 * len(levels) + 62, (10, 24, 52, 300))
    axes = chart.axes
    axes.set(xlim=(-limit, limit), ylim=(len(levels) - 0.5, -0.5))
    axes.set_yticks(range(len(levels)), [level.label for level in levels], color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:+g}" if abs(tick) > 1e-12 else "0")
    axes.xaxis.grid(True, color=RULE, linewidth=1)
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    axes.set_axisbelow(True)
    if noise:
        axes.axvspan(-noise, noise, color=NOISE, linewidth=0, zorder=0)
    below: dict[str, Any] = {"xycoords": "axes fraction", "color": INK, "va": "baseline", "dy": -40}
    chart.text((0, 0), f"← better ({metric})", ha="left", **below)
    chart.text((1, 0), "worse →", ha="right", **below)
    for row, level in enumerate(levels):
        _draw_effect(chart, row, level, limit)
    return chart.svg(f"paired effects on {metric}")


def _draw_effect(chart: _Chart, row: int, level: Level, limit: float) -> None:
    effect = level.main
    if not effect.pairs:
        chart.text((0, row), "not run", dx=10)
        return
    colour = {"worse": ALERT, "better": BEST}.get(effect.verdict, MUTED)
    numbers = [f"{level.label}: {difference:+.3f}" for difference in effect.differences]
    rows = [row] * effect.pairs
    seeds = chart.axes.scatter(effect.differences, rows, s=36, facecolors="none", edgecolors=colour, linewidths=1.2)
    chart.tip(seeds, *numbers)
    if effect.half_width is not None:
        ends = np.clip((effect.mean - effect.half_width, effect.mean + effect.half_width), -limit, limit)
        chart.axes.plot(ends, (row, row), color=colour, linewidth=2)
    mean = chart.axes.scatter(effect.mean, row, s=121, color=colour, linewidths=0, zorder=3)
    chart.tip(mean, f"{level.label}: {effect.in_words()}")


def _shortened(name: str, places: int) -> str:
    room = max(4, 46 // places)
    return name if len(name) <= room else name[: room - 1] + "…"
