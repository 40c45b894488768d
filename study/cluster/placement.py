"""How trials fit on the machines that there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from common.processors import available_cpus
from study.config.errors import InputError
from study.config.study import Study


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


def local_node() -> Node:
    """This machine, as Ray would see it."""
    import torch

    return Node(float(available_cpus()), float(torch.cuda.device_count()))


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
