"""The parts of a report on trials: ranked table, curves, importances, why some ended early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from study.config.search_space import Axis, shown, shown_point
from study.reporting.charts import Curve, Dot, Floor, Kind, bar_chart, objective_chart, scatter_chart
from study.reporting.data import ReportData
from study.reporting.labels import effective, trial_title, words_of
from study.reporting.tables import Cell, Line, Table
from study.results.trials import TrialRow
from study.search.asha import rungs

LAST = 9e9
"""Sorts a cell without a number behind all that have one."""


def ranking_table(data: ReportData) -> Table | None:
    """Return the ranked table; None before the first trial."""
    if not data.rows:
        return None
    final = any(row.final for row in data.rows)
    names = data.study.objective.metrics
    heads = ["rank", "trial", *map(words_of, data.paths), *(["final"] if final else [])]
    heads += [*(names if len(names) > 1 else ["objective"]), "at epoch", "floor", "no fit", "epochs", "ended"]
    lines = []
    for rank, row in enumerate(data.rows, 1):
        cells = [_cell(str(rank), rank), _cell(trial_title(row), row.name)]
        for path in data.paths:
            value = effective(data, row, path)
            cells.append(_cell(shown(value), value if _is_number(value) else None))
        if final:
            cells.append(_cell(f"{row.final['objective']:.3f}", row.score) if row.final else _cell("", LAST))
        first = rank == 1 and data.ranked
        lines.append(Line(cells + _found(data, row), "first" if first else "base" if row.role == "baseline" else ""))
    numeric = [any(line.cells[column].css for line in lines) for column in range(len(heads))]
    return Table([Cell(name, css="n" if right else "") for name, right in zip(heads, numeric, strict=True)], lines)


def _found(data: ReportData, row: TrialRow) -> list[Cell]:
    """What a trial reached, and how it ended."""
    best, names = row.best, data.study.objective.metrics
    total = data.study.configure(row.point, row.seed)[1].epochs
    tail = [_cell(f"{row.epochs}/{total}", row.epochs), _cell(row.ending, row.ending)]
    if best is None:
        return [_cell("–", LAST)] * (len(names) + 3) + tail
    metrics = (row.final or best)["metrics"]
    floor, failed = metrics.get("ks_floor"), metrics.get("failed/generated")
    mark = "" if best.get("rankable", True) else " !"
    return [
        *(_cell(f"{best['objectives'][name]:.3f}", best["objectives"][name]) for name in names),
        _cell(str(best["epoch"]), best["epoch"]),
        _cell(f"{floor:.3f}" if floor is not None and data.judges_shapes else "–", floor),
        _cell(f"{failed:.1%}{mark}" if failed is not None else "–", failed),
        *tail,
    ]


def _cell(text: str, key: float | str | None) -> Cell:
    return Cell(text, key, "n" if _is_number(key) else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(data: ReportData, row: TrialRow) -> Kind:
    if data.ranked and row is data.rows[0]:
        return "best"
    if row.role == "baseline":
        return "baseline"
    return "other" if row.ending in ("complete", "running") else "stopped"


def _floor(data: ReportData) -> Floor | None:
    mean = data.floor() if data.judges_shapes else None
    return None if mean is None else Floor(mean, data.floor("ks_floor_95"))


def curves_chart(data: ReportData) -> Markup | None:
    """Return the objective of all trials against epoch; None before the first evaluation."""
    rows = [row for row in data.rows if row.evaluations]
    if not rows:
        return None
    curves = [
        Curve(
            row.name,
            f"trial {trial_title(row)}: {shown_point(row.point) or 'as the file'}; {row.ending}, best {row.score:.3f}",
            [(e["epoch"], e["objective"]) for e in row.evaluations],
            _kind(data, row),
        )
        for row in rows
    ]
    scheduler, epochs = data.study.scheduler, data.study.train.epochs
    lines: Sequence[int] = ()
    if scheduler.name != "none":
        lines = rungs(scheduler.grace_epochs, scheduler.reduction_factor, epochs)
    return objective_chart(
        curves,
        metric=data.study.objective.metrics[0],
        epochs=max([epochs, *(row.epochs for row in rows)]),
        floor=_floor(data),
        rungs=lines,
    )


def importance_chart(data: ReportData) -> Markup | None:
    """Return the share of each axis in the variance of the objective; None where it was not computed."""
    if not data.weighs_axes or isinstance(data.importances, str):
        return None
    named = [(words_of(name) if "." in name else name, share) for name, share in data.importances.items()]
    return bar_chart(named, title="importance of each axis")


def axis_charts(data: ReportData) -> list[tuple[str, Markup]]:
    """Return the objective of all trials against each axis, with a title each."""
    if not data.weighs_axes:
        return []
    return [chart for axis in data.study.axes if (chart := _axis_chart(data, axis)) is not None]


def _axis_chart(data: ReportData, axis: Axis) -> tuple[str, Markup] | None:
    found = [(row, row.best["objective"], _axis_value(data, axis, row)) for row in data.rows if row.best]
    numeric = axis.kind in ("int", "float")
    if numeric:
        found = [entry for entry in found if _is_number(entry[2])]
    if not found:
        return None
    levels = [] if numeric else list(dict.fromkeys([_level(v) for v in axis.values] + [_level(v) for *_, v in found]))
    dots = [
        Dot(
            value if numeric else levels.index(_level(value)),
            objective,
            f"trial {trial_title(row)}: {words_of(axis.name)} = {_level(value)}, {objective:.3f}",
            _kind(data, row),
        )
        for row, objective, value in found
    ]
    bounds = (min([axis.low, *(d.x for d in dots)]), max([axis.high, *(d.x for d in dots)])) if numeric else (0, 1)
    floor = _floor(data)
    log = axis.log and bounds[0] > 0
    chart = scatter_chart(
        dots,
        title=axis.name,
        categories=levels,
        bounds=bounds,
        log=log,
        top=1.05 * max([*(dot.y for dot in dots), (floor.bound or 0.0) if floor else 0.0, 1e-3]),
        floor=floor,
    )
    return words_of(axis.name) + (" (log)" if log else ""), chart


def _axis_value(data: ReportData, axis: Axis, row: TrialRow) -> Any:
    if axis.kind == "points":
        return {path: effective(data, row, path) for path in axis.values[0]}
    return effective(data, row, axis.name)


def _level(value: Any) -> str:
    return shown_point(value) if isinstance(value, dict) else shown(value)


def stops_table(data: ReportData) -> Table | None:
    """Return why trials ended before their last epoch; None where none did."""
    rows = sorted((row for row in data.rows if row.name in data.stops), key=lambda row: row.name)
    if not rows:
        return None
    heads = [Cell("trial"), Cell("epochs", css="n"), Cell("ended"), Cell("why")]
    lines = [
        Line([Cell(trial_title(row)), Cell(str(row.epochs), css="n"), Cell(row.ending), Cell(data.stops[row.name])])
        for row in rows
    ]
    return Table(heads, lines)
