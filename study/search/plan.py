"""What a study will do, worked out before anything starts: trials, rungs, concurrency, resources, expected time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from study.cluster.placement import Placement
from study.config.search_space import Axis, shown, shown_point
from study.config.study import Study
from study.search.asha import rungs
from study.tasks.task import Cost

STARTUP_S = 12.0
UNREASONABLE_S = 24 * 3600.0


def expected_epochs(study: Study) -> float:
    """Epochs that an average trial trains when each rung keeps its best share."""
    scheduler, epochs = study.scheduler, study.train.epochs
    if scheduler.name == "none":
        return float(epochs)
    stops = [*rungs(scheduler.grace_epochs, scheduler.reduction_factor, epochs), epochs]
    total, alive, before = 0.0, 1.0, 0
    for stop in stops:
        total += alive * (stop - before)
        alive, before = alive / scheduler.reduction_factor, stop
    return total


def expected_seconds(study: Study, placement: Placement, cost: Cost, training_images: int) -> float:
    """Wall time of the whole study."""
    epochs = expected_epochs(study)
    training = epochs * training_images / (cost.images_per_second * study.resources.workers)
    evaluations = math.ceil(epochs / study.objective.every_epochs)
    measuring = evaluations * study.objective.samples / cost.measured_per_second
    rounds = math.ceil(study.trials / placement.concurrent)
    final = (study.objective.final_samples or study.objective.samples) * study.objective.finalists
    return rounds * (training + measuring + STARTUP_S) + final / (cost.measured_per_second * placement.concurrent)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} days"


def rows(
    study: Study,
    planned: Mapping[str, str],
    placement: Placement | None,
    images: str,
    seconds: float | None = None,
    cost: Cost | None = None,
) -> list[tuple[str, str]]:
    """Return the plan as (name, text) pairs.

    Parameters
    ----------
    study : Study
        What is planned.
    planned : dict of str to str
        The lines `model`, `training` and `objective`, from its `TaskCost`.
    placement : Placement or None
        Trials at once; None: not even one fits.
    images : str
        What is trained on, in words.
    seconds, cost : float, Cost
        Expected time, and the speeds behind it.
    """
    search, scheduler = study.search, study.scheduler
    first = study.planned()
    named = ", ".join(dict.fromkeys(p.role for p in first)) if search.sampler != "grid" else f"{len(first)} points"
    stops = rungs(scheduler.grace_epochs, scheduler.reduction_factor, study.train.epochs)
    early = f"asha, rungs at {', '.join(map(str, stops))}; best 1/{scheduler.reduction_factor:g} go on"
    needs = study.resources
    table = [
        ("study", f"{study.name}: {study.description}" if study.description else study.name),
        ("galaxies", images),
        ("model", planned["model"]),
        ("training", planned["training"]),
        ("trials", f"{study.trials} by {search.sampler}" + (f"; first: {named}" if first else "")),
        *((f"  {axis.name}", f"{axis.describe()}, baseline {_baseline(study, axis)}") for axis in study.axes),
        *((f"  preset {name}", shown_point(point)) for name, point in study.presets.items()),
        ("early stopping", early if scheduler.name == "asha" else "none"),
        ("objective", planned["objective"]),
        ("one trial", f"{needs.workers} worker(s), each {needs.cpus_per_worker:g} CPU, {needs.gpus_per_worker:g} GPU"),
    ]  # fmt: skip
    if placement:
        have = f"{sum(n.cpus for n in placement.nodes):g} CPUs, {sum(n.gpus for n in placement.nodes):g} GPUs"
        table.append(("at once", f"{placement.concurrent} trial(s) on {have}"))
    if seconds is not None and cost is not None:
        rate = f"{cost.images_per_second:,.3g} training images/s and {cost.measured_per_second:,.0f} measured/s a trial"
        table.append(("expected time", f"about {duration(seconds)} ({rate} on this {cost.device})"))
    return table


def _baseline(study: Study, axis: Axis) -> str:
    if axis.kind == "points":
        return shown_point({path: study.value(path) for path in axis.values[0]})
    return shown(study.value(axis.name))


def show(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print the lines of a plan, as `rows` gives them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, text in rows:
        table.add_row(name, text)
    console.print(table)
