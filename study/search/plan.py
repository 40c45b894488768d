"""What a study will do, worked out before anything starts: trials, rungs, concurrency, resources, expected time."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from gan.config import ModelConfig
from study.config.errors import InputError
from study.config.search_space import shown, shown_point
from study.config.study import Study
from study.search.asha import rungs
from study.tasks.generation.sampling import sizes

CALIBRATION_S = 2.0
CALIBRATION_WIDTH, CALIBRATION_BATCH = 32, 16
STARTUP_S = 12.0
UNREASONABLE_S = 24 * 3600.0


@dataclass(frozen=True)
class Node:
    """What one machine of the cluster offers."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Placement:
    """How trials fit on the cluster.

    Attributes
    ----------
    concurrent : int
        Trials at once.
    threads : int
        Threads of one worker.
    nodes : tuple of Node
        The cluster.
    """

    concurrent: int
    threads: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Cost:
    """Measured on this machine by short runs of the very code.

    Attributes
    ----------
    images_per_second : float
        Training, one trial.
    measured_per_second : float
        Galaxies measured, one trial's threads.
    device : str
        What was measured.
    """

    images_per_second: float
    measured_per_second: float
    device: str


def local_node() -> Node:
    """This machine, as Ray would see it."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:
        cpus = os.cpu_count() or 1
    import torch

    return Node(float(cpus), float(torch.cuda.device_count()))


def workers_that_fit(node: Node, cpus: float, gpus: float) -> int:
    """Workers of the given needs on one node; fractions of a GPU never straddle two cards."""
    by_cpu = math.floor(node.cpus / cpus + 1e-9)
    if not gpus:
        return by_cpu
    by_gpu = math.floor(node.gpus / gpus + 1e-9) if gpus >= 1 else int(node.gpus) * math.floor(1 / gpus + 1e-9)
    return min(by_cpu, by_gpu)


def place(study: Study, nodes: tuple[Node, ...]) -> Placement:
    """Fit the study's trials on the nodes.

    Raises
    ------
    InputError
        Not even one trial fits; the sentence says what is short.
    """
    needs = study.resources
    fit = sum(workers_that_fit(node, needs.cpus_per_worker, needs.gpus_per_worker) for node in nodes)
    slots = fit // needs.workers
    if slots == 0:
        raise InputError(_shortage(study, nodes))
    concurrent = min(slots, study.trials, needs.max_concurrent or slots)
    return Placement(concurrent, max(1, int(needs.cpus_per_worker)), nodes)


def _shortage(study: Study, nodes: tuple[Node, ...]) -> str:
    needs = study.resources
    have = f"{sum(n.cpus for n in nodes):g} CPUs and {sum(n.gpus for n in nodes):g} GPUs on {len(nodes)} node(s)"
    asked = f"{needs.workers} worker(s) of {needs.cpus_per_worker:g} CPU and {needs.gpus_per_worker:g} GPU"
    message = f"{study.file}: resources: one trial needs {asked}, and there are {have}"
    if needs.gpus_per_worker and not any(n.gpus for n in nodes):
        return f"{message}; to train on CPUs: --set resources.gpus_per_worker=0"
    return f"{message}; lower resources.workers, cpus_per_worker or gpus_per_worker"


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


def calibrate(study: Study, placement: Placement) -> Cost:
    """Train for about two seconds on noise, and measure a few galaxies.

    Wide networks would take longer than a plan may; they are calibrated at a smaller width and scaled by their
    arithmetic, which is good to a factor of two.
    """
    import torch

    from eval.measure import measure
    from gan.datasets.synthetic import draw
    from gan.training.trainer import Trainer

    device = "cuda" if study.resources.gpus_per_worker and torch.cuda.is_available() else "cpu"
    galaxies, _ = draw(16, size=64, seed=0)
    measure(galaxies[:2], jobs=1, engine=study.objective.engine)
    started = time.perf_counter()
    measure(galaxies, jobs=placement.threads, engine=study.objective.engine)
    measured = len(galaxies) / (time.perf_counter() - started)
    size = study.data.image_size
    model, batch = study.model, study.train.batch_size
    if device == "cpu":
        widest = CALIBRATION_WIDTH * 64 // size
        model = dataclasses.replace(
            model,
            width=min(model.width, widest),
            discriminator_width=min(model.effective_discriminator_width, widest),
        )
        batch = min(batch, CALIBRATION_BATCH)
    rng = np.random.default_rng(0)
    shapes = {side: (batch * 2, side, side, model.channels) for side in sizes(model)}
    images = {side: rng.integers(0, 255, shape, dtype=np.uint8) for side, shape in shapes.items()}
    train = dataclasses.replace(study.train, batch_size=batch, epochs=1000)
    trainer = Trainer(model, train, images, device=device, threads=placement.threads)
    rate, started = 0.0, time.perf_counter()
    while not rate or time.perf_counter() - started < CALIBRATION_S:
        rate = max(rate, trainer.train_epoch().images_per_second)
    return Cost(rate * training_flops(model) / training_flops(study.model), measured, device)


def training_flops(model: ModelConfig) -> float:
    """Floating-point operations of one training step per image.

    The discriminator goes forward and back on a real and on a generated image, then forward and back to its input
    for the generator, which goes forward and back once.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from gan.models import FAMILIES, build

    family = FAMILIES[model.family]
    with torch.device("meta"), torch.no_grad():
        generator, discriminator = build(model)
        generator.to("meta"), discriminator.to("meta")
        if family.input_size is None:
            inputs = torch.empty(1, model.latent_dim, device="meta")
        else:
            side = family.input_size(model)
            inputs = torch.empty(1, model.channels, side, side, device="meta")
        with FlopCounterMode(display=False) as counter:
            images = generator.eval()(inputs)
        forward_generator = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            discriminator.eval()(images)
        forward_discriminator = counter.get_total_flops()
    return float(3 * forward_generator + 8 * forward_discriminator)


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


def rows(study: Study, placement: Placement | None, galaxies: str, seconds: float | None, cost: Cost | None) -> list:
    """The plan as (name, text) pairs."""
    search, scheduler = study.search, study.scheduler
    planned = study.planned()
    named = ", ".join(dict.fromkeys(p.role for p in planned)) if search.sampler != "grid" else f"{len(planned)} points"
    kind = study.kind.planned(study)
    stops = rungs(scheduler.grace_epochs, scheduler.reduction_factor, study.train.epochs)
    early = f"asha, rungs at {', '.join(map(str, stops))}; best 1/{scheduler.reduction_factor:g} go on"
    needs = study.resources
    table = [
        ("study", f"{study.name}: {study.description}" if study.description else study.name),
        ("galaxies", galaxies),
        ("model", kind["model"]),
        ("training", kind["training"]),
        ("trials", f"{study.trials} by {search.sampler}" + (f"; first: {named}" if planned else "")),
        *((f"  {axis.name}", f"{axis.describe()}, baseline {_baseline(study, axis)}") for axis in study.axes),
        *((f"  preset {name}", shown_point(point)) for name, point in study.presets.items()),
        ("early stopping", early if scheduler.name == "asha" else "none"),
        ("objective", kind["objective"]),
        ("one trial", f"{needs.workers} worker(s), each {needs.cpus_per_worker:g} CPU, {needs.gpus_per_worker:g} GPU"),
    ]  # fmt: skip
    if placement:
        have = f"{sum(n.cpus for n in placement.nodes):g} CPUs, {sum(n.gpus for n in placement.nodes):g} GPUs"
        table.append(("at once", f"{placement.concurrent} trial(s) on {have}"))
    if seconds is not None and cost is not None:
        rate = f"{cost.images_per_second:,.3g} training images/s and {cost.measured_per_second:,.0f} measured/s a trial"
        table.append(("expected time", f"about {duration(seconds)} ({rate} on this {cost.device})"))
    return table


def planned_galaxies(study: Study) -> dict[str, str]:
    """The lines of a plan that are about GANs that draw galaxies."""
    from eval.distances import KS_95_NULL, KS_MEAN_NULL

    model, train, objective = study.model, study.train, study.objective
    mean, worst = (null * math.sqrt(2 / objective.samples) for null in (KS_MEAN_NULL, KS_95_NULL))
    return {
        "model": f"{model.family}, {model.image_size} px, width {model.width}, discriminator width "
        f"{model.effective_discriminator_width}",
        "training": f"{train.epochs} epochs, batch {train.batch_size}, lr {train.lr:g}",
        "objective": f"{', '.join(objective.metrics)} of {objective.samples:,} galaxies every "
        f"{objective.every_epochs} epochs; noise floor {mean:.3f} (95%: {worst:.3f})",
    }


def _baseline(study: Study, axis: Any) -> str:
    if axis.kind == "points":
        return shown_point({path: study.value(path) for path in axis.values[0]})
    return shown(study.value(axis.name))
