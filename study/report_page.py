"""The report of a study as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
import json
import math
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from study.axes import Axis, shown, shown_point
from study.config import METRICS
from study.report_charts import Curve, Dot, bar_chart, effect_chart, objective_chart, scatter_chart
from study.report_data import Judged, ReportData
from study.report_style import SORT_SCRIPT, STYLE
from study.results import TrialRow

GROUPS = (
    ("Shapes: KS, a galaxy without a fit counting as a value below all others", "ks/"),
    ("The paper's version: KS of fitted galaxies only", "ks_dropped/"),
    ("Angle on its circle: Kuiper", "kuiper/"),
    ("Wasserstein-1 in units of the real spread", "wasserstein/"),
)
NAMES = {
    "ks_mean": "mean of four",
    "ellipticity": "ellipticity",
    "position_angle": "position angle",
    "position_angle_elongated": "position angle, ellipticity > 0.1",
    "flux": "flux",
    "semi_major_axis": "semi-major axis",
    "color_rg": "color r/g",
    "color_gb": "color g/b",
}


def page(data: ReportData) -> str:
    """The whole page."""
    study = data.study
    sections = [
        ("What was searched", _searched(data)),
        ("Trials, best first", _ranking(data)),
        ("One factor at a time", _ablation(data)),
        ("Objective against epoch", _curves(data)),
        ("What mattered", _importance(data)),
        ("The best trial", _best(data)),
        ("Distances, each beside its floor", _distances(data)),
        ("Trials that ended before their time", _stops(data)),
        ("How to reproduce this", _reproduce(data)),
    ]
    body = "".join(f"<section><h2>{escape(title)}</h2>{content}</section>" for title, content in sections if content)
    smoke = study.name.endswith("-smoke")
    banner = '<p class="banner">A smoke run: everything shrunk, the numbers mean nothing.</p>' if smoke else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study.name)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><p class='eyebrow'>Study · {escape(data.status)}</p><h1>{escape(study.name)}</h1>"
        f"<p class='lead'>{escape(study.description)}</p>{banner}{_tiles(data)}</header>{body}"
        f"</main><script>{SORT_SCRIPT}</script></body></html>\n"
    )


# --- the head ---------------------------------------------------------------------------------------------------------


def _tiles(data: ReportData) -> str:
    tiles = []
    leader = data.rows[0] if data.rows and data.rows[0].best else None
    if leader is not None and data.ranked:
        source = leader.final or leader.best or {}
        floor = source["metrics"].get("ks_floor") if data.judges_shapes else None
        below = f"trial {leader.name}" + (f" · floor {floor:.3f}" if floor else "")
        tiles.append((f"best {data.study.objective.metrics[0]}", f"{leader.score:.3f}", below))
        baselines = [row for row in data.rows if row.role == "baseline" and row.best]
        if baselines and baselines[0] is not leader:
            at = data.rows.index(baselines[0]) + 1
            tiles.append(("baseline", f"{baselines[0].score:.3f}", f"rank {at} of {len(data.rows)}"))
        elif baselines:
            tiles.append(("baseline", f"{leader.score:.3f}", "is the best"))
    ended = ", ".join(f"{count} {name}" for name, count in data.counts.items())
    tiles.append(("trials", f"{len(data.rows)} / {data.study.trials}", ended or "none begun"))
    if data.seconds:
        from study.plan import duration

        tiles.append(("took", duration(data.seconds), f"{data.study.objective.samples:,} galaxies an evaluation"))
    cells = "".join(
        f"<div class='tile'><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(note)}</small></div>"
        for name, value, note in tiles
    )
    return f"<div class='tiles'>{cells}</div>"


def _searched(data: ReportData) -> str:
    study = data.study
    galaxies = data.galaxies
    counts = ""
    if "train" in galaxies:
        kept = "held out of training" if galaxies["held_out"] else "also trained on"
        counts = f": {galaxies['train']:,} to train on, {galaxies['reference']:,} as reference ({kept})"
    scheduler = study.scheduler
    stopping = "none; equal budgets"
    if scheduler.name != "none":
        stopping = (
            f"ASHA from epoch {scheduler.grace_epochs}, the best 1/{shown(scheduler.reduction_factor)} go on, judged "
            f"over {scheduler.judge_over} evaluations"
        )
    floor, floor_95, tie = data.floor(), data.floor("ks_floor_95"), data.floor("ks_tie")
    floors = "no evaluation yet"
    if floor is not None and floor_95 is not None:
        floors = f"two samples of real galaxies of these sizes differ by {floor:.3f} on average, 95% by less than "
        floors += f"{floor_95:.3f}" + (f"; two trials nearer than {tie:.3f} tie" if tie else "")
    failed = galaxies.get("reference_failed")
    seeds = f", {study.search.repeats} seeds each" if study.search.repeats > 1 else ""
    facts = [
        ("galaxies", f"{study.data.set}, {study.data.image_size} px{counts}"),
        ("networks", _settings_line(study.model)),
        ("training", _settings_line(study.train)),
        (
            "objective",
            f"{', '.join(study.objective.metrics)} of {study.objective.samples:,} galaxies every "
            f"{study.objective.every_epochs} epochs, engine {study.objective.engine}; smaller is better",
        ),
        ("noise floor", floors),
        ("reference without a fit", f"{failed:.1%}" if failed is not None else "not measured yet"),
        ("search", f"{study.search.sampler}, {study.trials} trials{seeds}"),
        ("early stopping", stopping),
    ]
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)
    return f"<table class='facts'>{rows}</table>{_axes_table(data)}"


_ALWAYS = {"family", "width", "kernel_size", "batch_norm", "epochs", "batch_size", "lr", "betas", "label_smoothing"}


def _settings_line(config: Any) -> str:
    """The settings that matter always, and the others where they differ from their defaults."""
    from gan.config import as_dict

    default = as_dict(type(config)())
    told = [
        f"{name.replace('_', ' ')} {shown_point(value) if isinstance(value, dict) else shown(value)}"
        for name, value in as_dict(config).items()
        if name in _ALWAYS or (value != default[name] and name not in ("image_size", "seed"))
    ]
    return ", ".join(told)


def _axes_table(data: ReportData) -> str:
    axes = data.study.axes
    if not axes:
        return ""
    lines = "".join(
        f"<tr><td><code>{escape(axis.name)}</code></td><td>{escape(axis.describe())}</td>"
        f"<td>{escape(_baseline_of(data, axis))}</td></tr>"
        for axis in axes
    )
    return (
        f"<table><thead><tr><th>axis</th><th>searched</th><th>baseline</th></tr></thead><tbody>{lines}</tbody></table>"
    )


def _baseline_of(data: ReportData, axis: Axis) -> str:
    if axis.kind == "points":
        return shown_point({path: data.study.value(path) for path in axis.values[0]})
    value = data.study.value(axis.name)
    if value is None and axis.name in _FOLLOWS:
        return f"{shown(data.study.value(_FOLLOWS[axis.name]))}, as {_short(_FOLLOWS[axis.name])}"
    return shown(value)


# --- trials -----------------------------------------------------------------------------------------------------------


def _ranking(data: ReportData) -> str:
    if not data.rows:
        return "<p>No trial has begun.</p>"
    final = any(row.final for row in data.rows)
    names = data.study.objective.metrics
    heads = ["rank", "trial", *(_short(path) for path in data.paths), *(["final"] if final else [])]
    heads += [*(names if len(names) > 1 else ["objective"]), "at epoch", "floor", "no fit", "epochs", "ended"]
    lines, table = [], []
    for rank, row in enumerate(data.rows, 1):
        cells = [_cell(str(rank), rank), _cell(_trial_name(row), row.name)]
        for path in data.paths:
            value = _effective(data, row, path)
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
    from study.summary import notes

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


_FOLLOWS = {"model.discriminator_width": "model.width", "train.discriminator_lr": "train.lr"}


def _effective(data: ReportData, row: TrialRow, path: str) -> Any:
    """A trial's value at a path; what a null stands for where it stands for another setting."""
    value = row.point.get(path, data.study.value(path))
    if value is None and path in _FOLLOWS:
        return row.point.get(_FOLLOWS[path], data.study.value(_FOLLOWS[path]))
    return value


def _trial_name(row: TrialRow) -> str:
    """Name and role, where the settings do not tell the role."""
    told = row.role == "baseline" or row.role.startswith("preset:")
    return f"{row.name} {row.role}" if told else row.name


def _cell(text: str, key: Any = None) -> str:
    sort = f' data-k="{escape(str(key))}"' if key is not None else ""
    number = " class='n'" if _is_number(key) else ""
    return f"<td{number}{sort}>{escape(text)}</td>"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(path: str) -> str:
    from study.axes import short

    return short(path).replace("_", " ").replace(".", " ")


def _kind(data: ReportData, row: TrialRow) -> str:
    if data.ranked and row is data.rows[0]:
        return "best"
    if row.role == "baseline":
        return "baseline"
    return "other" if row.ending in ("complete", "running") else "stopped"


def _curves(data: ReportData) -> str:
    rows = [row for row in data.rows if row.evaluations]
    if not rows:
        return ""
    name = data.study.objective.metrics[0]
    curves = [
        Curve(
            row.name,
            f"trial {_trial_name(row)}: {shown_point(row.point) or 'as the file'}; {row.ending}, best {row.score:.3f}",
            [(e["epoch"], e["objective"]) for e in row.evaluations],
            _kind(data, row),
        )
        for row in rows
    ]
    scheduler = data.study.scheduler
    from study.scheduler import rungs

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


def _importance(data: ReportData) -> str:
    if not data.study.axes or data.study.search.sampler == "ablation":
        return ""
    if isinstance(data.importances, str):
        shares = f"<p class='quiet'>Importances: {escape(data.importances)}.</p>"
    else:
        complete = data.counts.get("complete", 0)
        named = [(_short(name) if "." in name else name, share) for name, share in data.importances.items()]
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
        categories = list(dict.fromkeys([*listed, *map(_label, values)]))
    dots = [
        Dot(
            value if categories is None else categories.index(_label(value)),
            row.best["objective"] if row.best else math.nan,
            f"trial {_trial_name(row)}: {_short(axis.name)} = {_label(value)}, {row.best['objective']:.3f}",
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
    return f"<figure><figcaption class='above'>{escape(_short(axis.name))}{suffix}</figcaption>{chart}</figure>"


def _axis_value(data: ReportData, axis: Axis, row: TrialRow) -> Any:
    if axis.kind == "points":
        return {path: _effective(data, row, path) for path in axis.values[0]}
    return _effective(data, row, axis.name)


def _label(value: Any) -> str:
    return shown_point(value) if isinstance(value, dict) else shown(value)


# --- ablation ---------------------------------------------------------------------------------------------------------


def _ablation(data: ReportData) -> str:
    if not data.levels:
        return ""
    from study.ablation import explanation

    metric = METRICS[data.study.objective.metrics[0]]
    effects = [
        (level.label, level.main.differences, level.main.mean, level.main.half_width, level.main.verdict)
        for level in data.levels
    ]
    noise = max((level.main.noise for level in data.levels), default=0.0)
    chart = effect_chart(effects, metric=metric, noise=noise)
    properties = [effect.metric for effect in data.levels[0].effects[1:]]
    heads = ["factor", "seeds", metric, *(NAMES.get(p.removeprefix("ks/"), p) for p in properties), "the paper saw", ""]
    lines = []
    for level in data.levels:
        main = level.main
        mark = "" if level.rankable else " !"
        cells = [f"<td>{escape(level.label)}</td><td class='n'>{main.pairs}/{level.asked}</td>"]
        cells.append(f"<td class='{main.verdict.split()[0]}'>{escape(main.in_words())}{mark}</td>")
        for effect in level.effects[1:]:
            clear = effect.verdict in ("worse", "better")
            text = f"{effect.mean:+.3f}" if effect.pairs else "–"
            cells.append(f"<td class='n {effect.verdict.split()[0]}'>{text}{'*' if clear else ''}</td>")
        cells.append(f"<td>{escape(level.paper.words) if level.paper else '–'}</td><td>{escape(level.agreement)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    said = "".join(f"<li>{escape(text)}</li>" for text in explanation(data.study, data.levels))
    return (
        f"<figure>{chart}<figcaption>Filled: mean over seeds, with its 95% interval; hollow: single seeds; grey band: "
        "the noise of drawing galaxies.</figcaption></figure>"
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f"<ul class='notes'>{said}</ul><p class='caption'>The paper: Fussell &amp; Moews (2019), sec. 3.2, by eye.</p>"
    )


# --- the best ---------------------------------------------------------------------------------------------------------


def _best(data: ReportData) -> str:
    if not data.rows or data.rows[0].best is None:
        return ""
    row = data.rows[0]
    judged = next((j for j in data.judged if j.row is row), None)
    settings = "".join(
        f"<tr><th>{escape(_short(path))}</th><td>{escape(shown(_effective(data, row, path)))}</td></tr>"
        for path in data.paths
    )
    epoch = judged.epoch if judged else row.best["epoch"] if row.best else 0
    folder = judged.folder if judged else row.folder / "evaluations" / f"epoch-{epoch:05d}"
    pictures = []
    generated = _file_uri(folder / "samples.png")
    if generated:
        pictures.append((generated, f"Generated: trial {row.name}, epoch {epoch}, not selected"))
    if data.reference_images is not None:
        from eval.figures import contact_sheet

        sheet = contact_sheet(data.reference_images, columns=8)
        what = "Synthetic galaxies of the reference" if data.study.data.set == "synthetic" else "Reference galaxies"
        pictures.append((_png_uri(sheet), f"{what}, not selected"))
    grid = "".join(
        f"<figure><img src='{uri}' alt='{escape(text)}'><figcaption>{escape(text)}.</figcaption></figure>"
        for uri, text in pictures
    )
    return (
        f"<table class='facts'><tr><th>trial</th><td>{escape(_trial_name(row))}</td></tr>{settings}</table>"
        f"<div class='pair'>{grid}</div>{_histograms(data, judged)}"
    )


def _histograms(data: ReportData, judged: Judged | None) -> str:
    if judged is None:
        return ""
    from eval.catalogue import read_catalogue
    from eval.figures import histogram_figure

    real = read_catalogue(data.folder / "reference.parquet")
    generated = read_catalogue(judged.folder / "generated.parquet")
    title = f"Trial {judged.row.name}, epoch {judged.epoch}"
    buffer = io.BytesIO()
    histogram_figure(real, generated, judged.comparison, title=title).savefig(buffer, format="png", dpi=130)
    return f"<figure><img src='{_data_uri(buffer.getvalue())}' alt='histograms of four properties'></figure>"


def _distances(data: ReportData) -> str:
    if not data.judged:
        return ""
    first = data.judged[0]
    sizes = f"{first.comparison.n_real:,} real and {first.comparison.n_generated:,} generated galaxies"
    fresh = (
        "fresh galaxies, which chose neither trial nor epoch" if first.final else "the galaxies that chose the epoch"
    )
    head = "".join(f"<th class='n'>{escape(j.row.name)} <small>epoch {j.epoch}</small></th>" for j in data.judged)
    lines = []
    for title, names in _rows_of(data.judged):
        lines.append(f"<tr class='group'><th colspan='{2 + len(data.judged)}'>{escape(title)}</th></tr>")
        for label, floor, bound, values in names:
            cells = "".join(_distance_cell(value, floor, bound) for value in values)
            text = f"{floor:.3f}" if floor is not None else "–"
            lines.append(f"<tr><td>{escape(label)}</td><td class='n'>{text}</td>{cells}</tr>")
    shares = "".join(
        f"<td class='n'>{j.comparison.failed['generated']:.1%}{'' if j.comparison.rankable else ' !'}</td>"
        for j in data.judged
    )
    lines.append(
        f"<tr class='group'><th colspan='{2 + len(data.judged)}'>Galaxies without a fit (real: the floor)</th></tr>"
    )
    lines.append(f"<tr><td>share</td><td class='n'>{first.comparison.failed['real']:.1%}</td>{shares}</tr>")
    return (
        f"<p>{escape(sizes)}; {escape(fresh)}. The floor is what two samples of real galaxies of these sizes give; the "
        "small figures are multiples of it.</p><div class='wide'><table class='distances'><thead><tr><th>distance</th>"
        f"<th class='n'>floor</th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


Line = tuple[str, float | None, float | None, list[float | None]]


def _rows_of(judged: Sequence[Judged]) -> Iterable[tuple[str, list[Line]]]:
    """Groups of distances: label, floor, 95% of the floor, value of each judged trial."""
    first = judged[0].comparison
    metrics = [j.comparison.metrics() for j in judged]

    def line(key: str, floor: float | None, bound: float | None = None) -> Line:
        name = key.partition("/")[2] or key
        return NAMES.get(name, name), floor, bound, [m.get(key) for m in metrics]

    for title, prefix in GROUPS:
        keys = [key for key in metrics[0] if key.startswith(prefix) and "color" not in key]
        floor = (lambda key: first.floor) if prefix == "ks/" else first.floors.get
        bound = first.floor_95 if prefix == "ks/" else None
        lines = [line(key, floor(key), bound) for key in keys]
        if prefix == "ks/":
            lines.insert(0, line("ks_mean", first.floor_split or first.floor, first.floor_95))
        yield title, [entry for entry in lines if entry[1] is not None]
    energy = line("energy", first.energy_floor, first.energy_floor_95)
    yield "All shapes at once", [("energy distance in 5 dimensions", *energy[1:])]
    unseen = [line(key, first.floors.get(key)) for key in metrics[0] if key.startswith("ks/color")]
    if judged[0].spectrum_floor is not None:
        spectra = [j.spectrum for j in judged]
        unseen.append(("mean power spectrum [dex]", judged[0].spectrum_floor, None, spectra))
    if unseen:
        yield "What shapes do not see", [entry for entry in unseen if entry[1] is not None]


def _distance_cell(value: float | None, floor: float | None, bound: float | None) -> str:
    if value is None:
        return "<td class='n'>–</td>"
    times = f" <small>{value / floor:.1f}×</small>" if floor else ""
    near = " near" if value <= (bound or (1.5 * floor if floor else -1)) else ""
    return f"<td class='n{near}'>{value:.3f}{times}</td>"


# --- the end ----------------------------------------------------------------------------------------------------------


def _stops(data: ReportData) -> str:
    if not data.stops:
        return ""
    lines = "".join(
        f"<tr><td>{escape(_trial_name(row))}</td><td class='n'>{row.epochs}</td><td>{escape(row.ending)}</td>"
        f"<td>{escape(data.stops[row.name])}</td></tr>"
        for row in sorted(data.rows, key=lambda r: r.name)
        if row.name in data.stops
    )
    heads = "<th>trial</th><th class='n'>epochs</th><th>ended</th><th>why</th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _reproduce(data: ReportData) -> str:
    folder = data.folder
    best = folder / "best" / "checkpoint.pt"
    commands = [f"python -m study.run --space {shlex.quote(str(folder / 'study.yaml'))} --results NEW_FOLDER"]
    if data.status == "interrupted":
        space = shlex.quote(str(folder / "study.yaml"))
        commands.insert(0, f"python -m study.run --space {space} --results {shlex.quote(str(folder.parent))} --resume")
    if best.exists():
        commands.append(f"python -m study.generate --model {shlex.quote(str(best))} -n 1000 --out galaxies")
    if data.tracking_uri:
        from study.tracking import without_password

        uri = without_password(data.tracking_uri)
        server = uri.startswith("http")
        commands.append(f"open {uri}" if server else f"mlflow ui --backend-store-uri {shlex.quote(uri)} --port 5000")
    listing = f"<pre>{escape(chr(10).join(commands))}</pre>"
    environment = "<p class='quiet'>The environment was not recorded beside the study.</p>"
    if data.environment:
        known = data.environment
        changed = " (with changes)" if known.get("git_changes") else ""
        facts = [("code", f"{known.get('git_commit', 'unknown')}{changed}"), ("Python", known.get("python", ""))]
        facts += [(name, version) for name, version in known.get("packages", {}).items()]
        cells = "".join(f"<span>{escape(name)} <b>{escape(str(version))}</b></span>" for name, version in facts)
        environment = f"<p class='versions'>{cells}</p>"
    measured = data.galaxies.get("measurement")
    settings = f"measurement: {json.dumps(measured, sort_keys=True)}" if measured else ""
    return (
        f"{listing}{environment}<details><summary>The search space, every default written out</summary>"
        f"<pre>{escape(data.study.as_yaml())}{escape(settings)}</pre></details>"
    )


def _file_uri(path: Path) -> str | None:
    try:
        return _data_uri(path.read_bytes())
    except OSError:
        return None


def _png_uri(image: np.ndarray) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return _data_uri(buffer.getvalue())


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
