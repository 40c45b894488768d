"""The report of a study as one HTML page that needs nothing but itself."""

from __future__ import annotations

import json
import shlex
from html import escape
from typing import Any

from study.config.search_space import Axis, shown, shown_point
from study.reporting.best_trial import ablation_part, best_part, distances_part
from study.reporting.data import ReportData
from study.reporting.labels import FOLLOWS, words_of
from study.reporting.style import SORT_SCRIPT, STYLE
from study.reporting.trials import curves_part, importance_part, ranking_part, stops_part


def page(data: ReportData) -> str:
    """The whole page."""
    study = data.study
    sections = [
        ("What was searched", _searched(data)),
        ("Trials, best first", ranking_part(data)),
        ("One factor at a time", ablation_part(data)),
        ("Objective against epoch", curves_part(data)),
        ("What mattered", importance_part(data)),
        ("The best trial", best_part(data)),
        ("Distances, each beside its floor", distances_part(data)),
        ("Trials that ended before their time", stops_part(data)),
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
        from study.search.plan import duration

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
    if value is None and axis.name in FOLLOWS:
        return f"{shown(data.study.value(FOLLOWS[axis.name]))}, as {words_of(FOLLOWS[axis.name])}"
    return shown(value)


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
        from study.tracking.credentials import without_password

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
