"""The parts of a report on trials: ranked table, curves, importances, why some ended early."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from study.config.search_space import Axis, shown, shown_point
from study.reporting.charts import Curve, Dot, bar_chart, objective_chart, scatter_chart
from study.reporting.data import ReportData
from study.reporting.labels import effective, trial_title, words_of
from study.results.summary import notes
from study.results.trials import TrialRow
from study.search.asha import rungs


def ranking_part(data: ReportData) -> str:
    """The ranked table, which sorts by a click, and what must be known to read it."""
    if not data.rows:
        return "<p>No trial has begun.</p>"
    final = any(row.final for row in data.rows)
    names = data.study.objective.metrics
    heads = ["rank", "trial", *(words_of(path) for path in data.paths), *(["final"] if final else [])]
    heads += [*(names if len(names) > 1 else ["objective"]), "at epoch", "floor", "no fit", "epochs", "ended"]
    lines, table = [], []
    for rank, row in enumerate(data.rows, 1):
        cells = [_cell(str(rank), rank), _cell(trial_title(row), row.name)]
        for path in data.paths:
            value = effective(data, row, path)
            cells.append(_cell(shown(value), value if _is_number(value) else None))
        if final:
            cells.append(_cell(f"{row.final['objective']:.3f}" if row.final else "", row.score if row.final else 9e9))
        cells += _found_cells(data, row)
        table.append(cells)
        kind = " class='first'" if rank == 1 and data.ranked else " class='base'" if row.role == "baseline" else ""
        lines.append(f"<tr{kind}>{''.join(cells)}</tr>")
    numeric = [any("class='n'" in row[column] for row in table) for column in range(len(heads))]
    head = "".join(
        f"<th{' class=n' if right else ''}><button>{escape(name)}</button></th>"
        for name, right in zip(heads, numeric, strict=True)
    )
    said = "".join(f"<li>{escape(note)}</li>" for note in notes(data.study, data.rows))
    return (
        f"<div class='wide'><table class='sortable'><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
        f"</table></div><ul class='notes'>{said}</ul>"
    )


def _found_cells(data: ReportData, row: TrialRow) -> list[str]:
    best = row.best
    names = data.study.objective.metrics
    total = data.study.configure(row.point, row.seed)[1].epochs
    tail = [_cell(f"{row.epochs}/{total}", row.epochs), _cell(row.ending, row.ending)]
    if best is None:
        return [_cell("–", 9e9)] * (len(names) + 3) + tail
    metrics = (row.final or best)["metrics"]
    values = [best["objectives"][name] for name in names]
    floor, failed = metrics.get("ks_floor"), metrics.get("failed/generated")
    mark = "" if best.get("rankable", True) else " !"
    return [
        *(_cell(f"{value:.3f}", value) for value in values),
        _cell(str(best["epoch"]), best["epoch"]),
        _cell(f"{floor:.3f}" if floor is not None and data.judges_shapes else "–", floor),
        _cell(f"{failed:.1%}{mark}" if failed is not None else "–", failed),
        *tail,
    ]


def _cell(text: str, key: Any = None) -> str:
    sort = f' data-k="{escape(str(key))}"' if key is not None else ""
    number = " class='n'" if _is_number(key) else ""
    return f"<td{number}{sort}>{escape(text)}</td>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(data: ReportData, row: TrialRow) -> str:
    if data.ranked and row is data.rows[0]:
        return "best"
    if row.role == "baseline":
        return "baseline"
    return "other" if row.ending in ("complete", "running") else "stopped"


def curves_part(data: ReportData) -> str:
    """Objective against epoch of all trials."""
    rows = [row for row in data.rows if row.evaluations]
    if not rows:
        return ""
    name = data.study.objective.metrics[0]
    curves = [
        Curve(
            row.name,
            f"trial {trial_title(row)}: {shown_point(row.point) or 'as the file'}; {row.ending}, best {row.score:.3f}",
            [(e["epoch"], e["objective"]) for e in row.evaluations],
            _kind(data, row),
        )
        for row in rows
    ]
    scheduler = data.study.scheduler
    lines: Sequence[int] = ()
    if scheduler.name != "none":
        lines = rungs(scheduler.grace_epochs, scheduler.reduction_factor, data.study.train.epochs)
    shapes = data.judges_shapes
    chart = objective_chart(
        curves, metric=name, epochs=max([data.study.train.epochs, *(row.epochs for row in rows)]),
        floor=data.floor() if shapes else None, floor_95=data.floor("ks_floor_95") if shapes else None, rungs=lines,
    )  # fmt: skip
    key = (
        "<b class='k best'></b>best <b class='k baseline'></b>baseline <b class='k other'></b>ran to its end or running"
    )
    key += " <b class='k stopped'></b>stopped or failed (×) <b class='k floor'></b>real against real, 95%."
    return f"<figure>{chart}<figcaption>{key} &ensp; Point at a line for its settings.</figcaption></figure>"


def importance_part(data: ReportData) -> str:
    """Importances where they can be had, and the objective against each axis."""
    if not data.study.axes or data.study.search.sampler == "ablation":
        return ""
    if isinstance(data.importances, str):
        shares = f"<p class='quiet'>Importances: {escape(data.importances)}.</p>"
    else:
        complete = data.counts.get("complete", 0)
        named = [(words_of(name) if "." in name else name, share) for name, share in data.importances.items()]
        shares = (
            f"<figure class='narrow'>{bar_chart(named, title='importance of each axis')}<figcaption>Share of each axis "
            f"in the variance of the objective over {complete} completed trials (fANOVA, Hutter et al. 2014): a random "
            "forest's view, rough below some dozens of trials.</figcaption></figure>"
        )
    charts = [chart for axis in data.study.axes if (chart := _axis_chart(data, axis))]
    if not charts:
        return shares
    legend = "Each trial at its best. Blue: best; black square: baseline; hollow: stopped or failed; green: the floor."
    return f"{shares}<div class='small'>{''.join(charts)}</div><p class='caption'>{legend}</p>"


def _axis_chart(data: ReportData, axis: Axis) -> str:
    able = [row for row in data.rows if row.best]
    if not able:
        return ""
    values = [_axis_value(data, axis, row) for row in able]
    numeric = axis.kind in ("int", "float")
    categories = None
    if not numeric:
        listed = [shown_point(v) if axis.kind == "points" else shown(v) for v in axis.values]
        categories = list(dict.fromkeys([*listed, *map(_level, values)]))
    dots = [
        Dot(
            value if categories is None else categories.index(_level(value)),
            row.best["objective"] if row.best else math.nan,
            f"trial {trial_title(row)}: {words_of(axis.name)} = {_level(value)}, {row.best['objective']:.3f}",
            _kind(data, row),
        )
        for row, value in zip(able, values, strict=True)
        if row.best and (categories is not None or _is_number(value))
    ]
    if not dots:
        return ""
    bounds = (
        (axis.low, axis.high) if axis.kind in ("int", "float") else (min(d.x for d in dots), max(d.x for d in dots))
    )
    bounds = (
        (min([bounds[0], *(d.x for d in dots)]), max([bounds[1], *(d.x for d in dots)])) if not categories else (0, 1)
    )
    floor_95 = data.floor("ks_floor_95") if data.judges_shapes else None
    top = 1.05 * max([*(dot.y for dot in dots), floor_95 or 0.0, 1e-3])
    log = axis.log and bounds[0] > 0
    chart = scatter_chart(
        dots, title=axis.name, categories=categories, bounds=bounds, log=log, top=top,
        floor=data.floor() if data.judges_shapes else None, floor_95=floor_95,
    )  # fmt: skip
    suffix = " (log)" if log else ""
    return f"<figure><figcaption class='above'>{escape(words_of(axis.name))}{suffix}</figcaption>{chart}</figure>"


def _axis_value(data: ReportData, axis: Axis, row: TrialRow) -> Any:
    if axis.kind == "points":
        return {path: effective(data, row, path) for path in axis.values[0]}
    return effective(data, row, axis.name)


def _level(value: Any) -> str:
    return shown_point(value) if isinstance(value, dict) else shown(value)


def stops_part(data: ReportData) -> str:
    """Why trials ended before their last epoch; empty where none did."""
    if not data.stops:
        return ""
    lines = "".join(
        f"<tr><td>{escape(trial_title(row))}</td><td class='n'>{row.epochs}</td><td>{escape(row.ending)}</td>"
        f"<td>{escape(data.stops[row.name])}</td></tr>"
        for row in sorted(data.rows, key=lambda r: r.name)
        if row.name in data.stops
    )
    heads = "<th>trial</th><th class='n'>epochs</th><th>ended</th><th>why</th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
