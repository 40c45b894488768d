"""Charts of a report as inline SVG: sharp at any size, no script, each mark with its numbers as a tooltip.

Colours are from the palette of Okabe & Ito (2008), as in `eval.plots.distributions`; what matters is never told by
colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

BEST, BASELINE, OTHER, STOPPED, ALERT = "#0072b2", "#222222", "#8a95a1", "#c3cad2", "#d55e00"
FLOOR = "#e3ebe4"
NAME_HEIGHT = 14.0
INK, MUTED, RULE = "#1f2430", "#667080", "#e4e7eb"


@dataclass(frozen=True)
class Curve:
    """One trial's objective over epochs.

    Attributes
    ----------
    name, label : str
        Short name at the line's end, and what its tooltip says.
    points : sequence of (float, float)
        Epoch and objective.
    kind : {"best", "baseline", "other", "stopped"}
        How it is drawn.
    """

    name: str
    label: str
    points: Sequence[tuple[float, float]]
    kind: str


@dataclass(frozen=True)
class Dot:
    """One trial in a scatter: position, tooltip, and how it is drawn."""

    x: float
    y: float
    label: str
    kind: str


class _Frame:
    """A plotting area with linear axes: data to pixels."""

    def __init__(
        self, width: float, height: float, x: tuple[float, float], y: tuple[float, float],
        margin: tuple[float, float, float, float], log_x: bool = False,
    ):  # fmt: skip
        self.width, self.height, self.log_x = width, height, log_x
        self.top, self.right, self.bottom, self.left = margin
        self.x_range, self.y_range = tuple(math.log10(v) for v in x) if log_x else x, y

    def x(self, value: float) -> float:
        value = math.log10(value) if self.log_x else value
        low, high = self.x_range
        return self.left + (self.width - self.left - self.right) * (value - low) / (high - low or 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        value = min(max(value, low), high)
        return self.height - self.bottom - (self.height - self.top - self.bottom) * (value - low) / (high - low or 1)

    def open(self, title: str) -> str:
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{escape(title)}" '
            f'xmlns="http://www.w3.org/2000/svg">'
        )

    def y_axis(self, label: str) -> str:
        parts = []
        for tick in ticks(*self.y_range, most=5):
            at = self.y(tick)
            parts.append(_line(self.left, at, self.width - self.right, at, RULE))
            parts.append(_text(self.left - 8, at + 4, _number(tick), "end"))
        if label:
            parts.append(_text(self.left - 8, self.top - 10, label, "start", INK, dx=-(self.left - 10)))
        return "".join(parts)

    def floor_band(self, floor: float | None, floor_95: float | None) -> str:
        """Where real galaxies lie from real ones: up to the 95% point, the mean as a line."""
        if floor is None:
            return ""
        top, bottom = self.y(floor_95 or floor), self.y(0)
        wide = self.width - self.left - self.right
        title = f"noise floor {floor:.3f}" + (f", 95% below {floor_95:.3f}" if floor_95 else "")
        return (
            f'<g><title>{title}</title><rect x="{self.left:g}" y="{top:.1f}" width="{wide:g}" '
            f'height="{bottom - top:.1f}" fill="{FLOOR}"/>'
            + _line(self.left, self.y(floor), self.width - self.right, self.y(floor), "#009e73", dash="2 3", width=1.2)
            + "</g>"
        )


def ticks(low: float, high: float, *, most: int) -> list[float]:
    """Round numbers between two bounds, at most `most` + 1 of them."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(s * scale for s in (1, 2, 2.5, 5, 10) if s * scale >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def objective_chart(
    curves: Sequence[Curve], *, metric: str, epochs: int, floor: float | None, floor_95: float | None,
    rungs: Sequence[int],
) -> str:  # fmt: skip
    """Objective against epoch, all trials, with rungs and the floor."""
    values = [y for curve in curves for _, y in curve.points]
    top = max([*values, (floor_95 or 0.0) * 1.3, 1e-3]) * 1.04
    frame = _Frame(1040, 400, (0, epochs), (0, top), (34, 70, 44, 56))
    parts = [frame.open(f"{metric} against epoch"), frame.floor_band(floor, floor_95), frame.y_axis(metric)]
    for tick in ticks(0, epochs, most=8):
        if tick == int(tick):
            parts.append(_text(frame.x(tick), frame.height - frame.bottom + 20, _number(tick), "middle"))
    parts.append(_text((frame.left + frame.width - frame.right) / 2, frame.height - 4, "epoch", "middle", INK))
    for rung in rungs:
        at = frame.x(rung)
        parts.append(_line(at, frame.top, at, frame.height - frame.bottom, "#b9a2c9", dash="4 4"))
        parts.append(_text(at, frame.top - 6, f"rung {rung}", "middle", "#7d5f93"))
    order = {"stopped": 0, "other": 1, "baseline": 2, "best": 3}
    shown = [c for c in sorted(curves, key=lambda c: order[c.kind]) if c.points]
    parts += [_curve(frame, curve) for curve in shown]
    named = [c for c in shown if len(curves) <= 10 or c.kind in ("best", "baseline")]
    parts += _end_names(frame, named)
    if floor is not None:
        parts.append(_text(frame.width - frame.right + 6, frame.y(floor) + 4, "floor", "start", "#00734f"))
    return "".join([*parts, "</svg>"])


def _curve(frame: _Frame, curve: Curve) -> str:
    colour, width, dash = _style(curve.kind)
    places = [(frame.x(x), frame.y(y)) for x, y in curve.points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    radius = 2.6 if curve.kind == "best" else 1.8
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>' for x, y in places)
    end = _cross(*places[-1], OTHER) if curve.kind == "stopped" else ""
    return (
        f'<g class="curve"><title>{escape(curve.label)}</title><polyline points="{line}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}" stroke-linejoin="round"{dash}/>{marks}{end}</g>'
    )


def _end_names(frame: _Frame, curves: Sequence[Curve]) -> list[str]:
    """Names at the ends of curves, moved apart where curves end together."""
    ends = sorted((frame.x(c.points[-1][0]), frame.y(c.points[-1][1]), n) for n, c in enumerate(curves))
    parts, taken_x, lowest = [], -math.inf, -math.inf
    for x, y, number in ends:
        y = max(y, lowest + NAME_HEIGHT) if x == taken_x else y
        taken_x, lowest = x, y
        curve = curves[number]
        colour = OTHER if curve.kind == "stopped" else _style(curve.kind)[0]
        bold = ' font-weight="650"' if curve.kind == "best" else ""
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}"{bold}>{escape(curve.name)}</text>')
    return parts


def _style(kind: str) -> tuple[str, float, str]:
    return {
        "best": (BEST, 2.8, ""),
        "baseline": (BASELINE, 2.0, ' stroke-dasharray="7 4"'),
        "other": (OTHER, 1.3, ""),
        "stopped": (STOPPED, 1.3, ""),
    }[kind]


def _cross(x: float, y: float, colour: str) -> str:
    return f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="1.8" fill="none"/>'


def scatter_chart(
    dots: Sequence[Dot], *, title: str, categories: Sequence[str] | None, bounds: tuple[float, float], log: bool,
    top: float, floor: float | None, floor_95: float | None,
) -> str:  # fmt: skip
    """Objective against one axis; `categories` name the whole-numbered places of a choice."""
    low, high = (-0.5, len(categories) - 0.5) if categories else bounds
    if not categories and not log:
        low, high = low - 0.03 * (high - low), high + 0.03 * (high - low)
    frame = _Frame(340, 250, (low, high), (0, top), (14, 22, 36, 46), log_x=log and not categories)
    parts = [frame.open(title), frame.floor_band(floor, floor_95), frame.y_axis("")]
    below = frame.height - frame.bottom + 18
    if categories:
        parts += [
            _text(frame.x(i), below, _shortened(name, len(categories)), "middle") for i, name in enumerate(categories)
        ]
    else:
        marks = _decades(low, high) if log else ticks(low, high, most=4)
        parts += [_text(frame.x(tick), below, _number(tick), "middle") for tick in marks]
    for number, dot in enumerate(sorted(dots, key=lambda d: d.kind == "best")):
        shift = ((number * 7) % 11 - 5) * 2.2 if categories else 0.0
        parts.append(_dot(frame.x(dot.x) + shift, frame.y(dot.y), dot))
    return "".join([*parts, "</svg>"])


def _decades(low: float, high: float) -> list[float]:
    """Places of a log axis: 1, 2, 5 of each power of ten, thinned to at most five."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [s * 10.0**k for k in powers for s in steps if low * 0.999 <= s * 10.0**k <= high * 1.001]
        if len(found) <= 5:
            return found or [low, high]
    return [low, high]


def _dot(x: float, y: float, dot: Dot) -> str:
    title = f"<title>{escape(dot.label)}</title>"
    if dot.kind == "stopped":
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="white" stroke="{OTHER}" stroke-width="1.5">{title}</circle>'
        )
    if dot.kind == "baseline":
        return f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{BASELINE}">{title}</rect>'
    colour, radius = (BEST, 6) if dot.kind == "best" else (OTHER, 4.2)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">{title}</circle>'


def bar_chart(shares: Sequence[tuple[str, float]], *, title: str) -> str:
    """Horizontal bars of shares of one, largest first as given."""
    height, left, width = 30, 260, 720
    frame = _Frame(width, height * len(shares) + 8, (0, 1), (0, 1), (0, 60, 0, left))
    parts = [frame.open(title)]
    for row, (name, share) in enumerate(shares):
        middle = 4 + height * (row + 0.5)
        long = (width - left - 60) * max(share, 0.0)
        parts.append(_text(left - 10, middle + 4, name, "end", INK))
        parts.append(f'<rect x="{left}" y="{middle - 9:.1f}" width="{long:.1f}" height="18" rx="2" fill="{BEST}"/>')
        parts.append(_text(left + long + 8, middle + 4, f"{share:.0%}", "start", INK))
    return "".join([*parts, "</svg>"])


def effect_chart(
    effects: Sequence[tuple[str, Sequence[float], float, float | None, str]], *, metric: str, noise: float
) -> str:
    """Paired effects with their 95% intervals and each seed's difference; the grey band is the noise.

    Parameters
    ----------
    effects : sequence of (label, differences, mean, half width or None, verdict)
        From top to bottom; `half width` None for one seed.
    metric : str
        Named on the axis.
    noise : float
        Half width of the band around 0.
    """
    reach = [abs(d) for _, differences, *_ in effects for d in differences]
    # A wide interval is cut at the frame: with two seeds Student's t makes it 12.7 times the spread.
    limit = 1.25 * max([*reach, 2 * noise, 1e-3])
    row_height, left = 34, 300
    frame = _Frame(1040, row_height * len(effects) + 62, (-limit, limit), (0, 1), (10, 24, 52, left))
    bottom = frame.height - frame.bottom
    parts = [frame.open(f"paired effects on {metric}")]
    if noise:
        band = frame.x(noise) - frame.x(-noise)
        parts.append(
            f'<rect x="{frame.x(-noise):.1f}" y="10" width="{band:.1f}" height="{bottom - 10:g}" fill="#eceff2"/>'
        )
    for tick in ticks(-limit, limit, most=6):
        parts.append(_line(frame.x(tick), 10, frame.x(tick), bottom, MUTED if tick == 0 else RULE))
        parts.append(_text(frame.x(tick), bottom + 18, "0" if tick == 0 else f"{tick:+g}", "middle"))
    parts.append(_text(frame.x(-limit), bottom + 40, f"← better ({metric})", "start", INK))
    parts.append(_text(frame.x(limit), bottom + 40, "worse →", "end", INK))
    for row, effect in enumerate(effects):
        parts.append(_effect(frame, 10 + row_height * (row + 0.5), limit, *effect))
    return "".join([*parts, "</svg>"])


def _effect(
    frame: _Frame, y: float, limit: float, label: str, differences: Sequence[float], mean: float,
    half: float | None, verdict: str,
) -> str:  # fmt: skip
    parts = [_text(frame.left - 14, y + 4, label, "end", INK)]
    if not differences:
        return "".join([*parts, _text(frame.x(0) + 10, y + 4, "not run", "start")])
    colour = {"worse": ALERT, "better": BEST}.get(verdict, MUTED)
    parts += [
        f'<circle cx="{frame.x(d):.1f}" cy="{y:.1f}" r="3" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        for d in differences
    ]
    if half is not None:
        low, high = (min(max(v, -limit), limit) for v in (mean - half, mean + half))
        parts.append(_line(frame.x(low), y, frame.x(high), y, colour, width=2))
    parts.append(f'<circle cx="{frame.x(mean):.1f}" cy="{y:.1f}" r="5.5" fill="{colour}"/>')
    numbers = ", ".join(f"{d:+.3f}" for d in differences)
    return f"<g><title>{escape(label)}: {numbers}</title>{''.join(parts)}</g>"


def _shortened(name: str, places: int) -> str:
    room = max(4, 46 // places)
    return name if len(name) <= room else name[: room - 1] + "…"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, dash: str = "", width: float = 1) -> str:
    pattern = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{pattern}/>'
    )


def _text(x: float, y: float, text: str, anchor: str, colour: str = MUTED, *, dx: float = 0) -> str:
    return f'<text x="{x + dx:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
