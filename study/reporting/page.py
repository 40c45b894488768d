"""The report of a study of galaxies as one HTML page."""

from __future__ import annotations

import json
import shlex
from typing import Any

from gan.config import as_dict
from study.config.search_space import Axis, shown, shown_point
from study.reporting.best_trial import best_trial, compared, distances_table, effects_table
from study.reporting.charts import effect_chart
from study.reporting.data import ReportData
from study.reporting.labels import FOLLOWS, words_of
from study.reporting.render import render
from study.reporting.trials import axis_charts, curves_chart, importances, ranking_table, stops_table
from study.results.ablation import explanation
from study.results.summary import notes
from study.search.plan import duration
from study.tasks.generation.objective import GalaxyObjective
from study.tracking.credentials import without_password

ALWAYS_TOLD = {"family", "width", "kernel_size", "batch_norm", "epochs", "batch_size", "lr", "betas", "label_smoothing"}
NEVER_TOLD = {"image_size", "seed"}


def page(data: ReportData) -> str:
    """Return the text of the page."""
    study = data.study
    effects = effects_table(data)
    measured = data.reference.attrs.get("measurement", {}) if data.reference is not None else {}
    return render(
        "study.html",
        data=data,
        study=study,
        tiles=_tiles(data),
        searched=_searched(data),
        axes=[(axis.name, axis.describe(), _baseline_of(data, axis)) for axis in study.axes],
        ranking=ranking_table(data),
        notes=notes(study, GalaxyObjective(), data.rows),
        effects=effects,
        effect_chart=effect_chart(data.levels, metric=effects.heads[2].text) if effects else None,
        explanation=explanation(study, data.levels),
        curves=curves_chart(data),
        importances=importances(data),
        axis_charts=axis_charts(data),
        best=best_trial(data),
        compared=compared(data),
        distances=distances_table(data),
        stops=stops_table(data),
        commands=_commands(data),
        environment=_environment(data.environment) if data.environment else None,
        measurement=f"measurement: {json.dumps(measured, sort_keys=True)}" if measured else "",
    )


def _tiles(data: ReportData) -> list[tuple[str, str, str]]:
    """What stands out: name, value, note."""
    tiles = []
    leader = data.rows[0] if data.rows and data.rows[0].best else None
    if leader is not None and data.ranked:
        floor = (leader.final or leader.best or {})["metrics"].get("ks_floor") if data.judges_shapes else None
        below = f"trial {leader.name}" + (f" · floor {floor:.3f}" if floor else "")
        tiles.append((f"best {data.study.objective.metrics[0]}", f"{leader.score:.3f}", below))
        baseline = next((row for row in data.rows if row.role == "baseline" and row.best), None)
        if baseline is leader:
            tiles.append(("baseline", f"{leader.score:.3f}", "is the best"))
        elif baseline is not None:
            rank = f"rank {data.rows.index(baseline) + 1} of {len(data.rows)}"
            tiles.append(("baseline", f"{baseline.score:.3f}", rank))
    ended = ", ".join(f"{count} {name}" for name, count in data.counts.items())
    tiles.append(("trials", f"{len(data.rows)} / {data.study.trials}", ended or "none begun"))
    if data.seconds:
        tiles.append(("took", duration(data.seconds), f"{data.study.objective.samples:,} galaxies an evaluation"))
    return tiles


def _searched(data: ReportData) -> list[tuple[str, str]]:
    """What was searched: names and facts."""
    study, split = data.study, data.split
    counts = ""
    if split is not None:
        kept = "held out of training" if split.held_out else "also trained on"
        counts = f": {len(split.train):,} to train on, {len(split.reference):,} as reference ({kept})"
    scheduler = study.scheduler
    stopping = "none; equal budgets"
    if scheduler.name != "none":
        stopping = (
            f"ASHA from epoch {scheduler.grace_epochs}, the best 1/{shown(scheduler.reduction_factor)} go on, judged "
            f"over {scheduler.judge_over} evaluations"
        )
    seeds = f", {study.search.repeats} seeds each" if study.search.repeats > 1 else ""
    failed = "not measured yet"
    if data.reference is not None:
        failed = f"{(data.reference['status'] != 'ok').mean():.1%}"
    objective = (
        f"{', '.join(study.objective.metrics)} of {study.objective.samples:,} galaxies every "
        f"{study.objective.every_epochs} epochs, engine {study.objective.engine}; smaller is better"
    )
    return [
        ("galaxies", f"{study.data.set}, {study.data.image_size} px{counts}"),
        ("networks", _settings_line(study.model)),
        ("training", _settings_line(study.train)),
        ("objective", objective),
        ("noise floor", _floors(data)),
        ("reference without a fit", failed),
        ("search", f"{study.search.sampler}, {study.trials} trials{seeds}"),
        ("early stopping", stopping),
    ]


def _floors(data: ReportData) -> str:
    floor, floor_95, tie = data.floor(), data.floor("ks_floor_95"), data.floor("ks_tie")
    if floor is None or floor_95 is None:
        return "no evaluation yet"
    tied = f"; two trials nearer than {tie:.3f} tie" if tie else ""
    return (
        f"two samples of real galaxies of these sizes differ by {floor:.3f} on average, 95% by less than {floor_95:.3f}"
        f"{tied}"
    )


def _settings_line(config: Any) -> str:
    """The settings that matter always, and the others where they differ from their defaults."""
    default = as_dict(type(config)())
    told = [
        f"{name.replace('_', ' ')} {shown_point(value) if isinstance(value, dict) else shown(value)}"
        for name, value in as_dict(config).items()
        if name in ALWAYS_TOLD or (value != default[name] and name not in NEVER_TOLD)
    ]
    return ", ".join(told)


def _baseline_of(data: ReportData, axis: Axis) -> str:
    if axis.kind == "points":
        return shown_point({path: data.study.value(path) for path in axis.values[0]})
    value = data.study.value(axis.name)
    if value is None and axis.name in FOLLOWS:
        return f"{shown(data.study.value(FOLLOWS[axis.name]))}, as {words_of(FOLLOWS[axis.name])}"
    return shown(value)


def _commands(data: ReportData) -> list[str]:
    """Commands that go on with the study, repeat it, use its best trial and open its MLflow store."""
    folder = data.folder
    run = f"python -m study.run --space {shlex.quote(str(folder / 'study.yaml'))} --results"
    commands = [f"{run} NEW_FOLDER"]
    if data.status == "interrupted":
        commands.insert(0, f"{run} {shlex.quote(str(folder.parent))} --resume")
    best = folder / "best" / "checkpoint.pt"
    if best.exists():
        commands.append(f"python -m study.generate --model {shlex.quote(str(best))} -n 1000 --out galaxies")
    if data.tracking_uri:
        uri = without_password(data.tracking_uri)
        server = uri.startswith("http")
        commands.append(f"open {uri}" if server else f"mlflow ui --backend-store-uri {shlex.quote(uri)} --port 5000")
    return commands


def _environment(known: dict[str, Any]) -> list[tuple[str, str]]:
    changed = " (with changes)" if known.get("git_changes") else ""
    facts = [("code", f"{known.get('git_commit', 'unknown')}{changed}"), ("Python", str(known.get("python", "")))]
    return facts + [(name, str(version)) for name, version in known.get("packages", {}).items()]
