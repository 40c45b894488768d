"""The sections of a search-space file that are not networks or training: frozen, typed, each field documented."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from common.errors import require
from eval.metrics import GALAXIES


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """What a study may ask of a sampler; `study.search.samplers` makes it.

    Attributes
    ----------
    planned : bool
        Whether all of its points are known before the search begins; its axes need levels then.
    several_objectives : bool
        Whether it can search for a Pareto front.
    """

    planned: bool = False
    several_objectives: bool = True


SAMPLERS = {
    "tpe": Sampler(),
    "random": Sampler(),
    "grid": Sampler(planned=True),
    "qmc": Sampler(),
    "gp": Sampler(several_objectives=False),
    "nsga2": Sampler(),
    "ablation": Sampler(planned=True),
}
"""By the name in `search.sampler`."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which galaxies.

    Attributes
    ----------
    set : str
        Folder of a prepared galaxy set, or `synthetic`.
    image_size : int
        Side in pixels; must be among the set's sizes.
    held_out : int or None
        Galaxies kept out of training as the objective's reference;
        None: `objective.samples`, at most a quarter of the set; where that is fewer than 50, none is kept out.
    synthetic_count : int
        Galaxies drawn where `set` is `synthetic`.
    seed : int
        Of the split and of the synthetic galaxies.
    """

    set: str = "synthetic"
    image_size: int = 64
    held_out: int | None = None
    synthetic_count: int = 2000
    seed: int = 0

    def __post_init__(self):
        require(bool(self.set), "set", self.set, "`synthetic` or the folder of a galaxy set")
        require(self.held_out is None or self.held_out >= 10, "held_out", self.held_out, "10 or more, or null")
        require(100 <= self.synthetic_count <= 10**7, "synthetic_count", self.synthetic_count, "100 to 10,000,000")
        require(0 <= self.seed < 2**31, "seed", self.seed, "0 or more")


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What is minimised.

    Attributes
    ----------
    metric : str or tuple of str
        Registered in `eval.metrics`, or a list of them (Pareto front, no early stopping).
    samples : int
        Generated galaxies measured at each evaluation.
    every_epochs : int
        Epochs between evaluations; the last epoch is always evaluated.
    final_samples : int or None
        Generated galaxies for the finalists, from a fresh seed; None: `samples`.
    finalists : int
        Best trials measured again at the end; 0: none.
    engine : {"fast", "photutils"}
        Engine of `eval.measure.measure`.
    stage1 : str or None
        For a family that enlarges images: the first stage's checkpoint, so that the whole chain is judged.
        None: enlarged real galaxies are judged.
    """

    metric: str | tuple[str, ...] = "ks_mean"
    samples: int = 2000
    every_epochs: int = 10
    final_samples: int | None = None
    finalists: int = 3
    engine: Literal["fast", "photutils"] = "fast"
    stage1: str | None = None

    def __post_init__(self):
        for name in self.metrics:
            accepted = f"one of {', '.join(GALAXIES.objectives)}, or a list of them"
            require(name in GALAXIES.objectives, "metric", name, accepted)
        require(
            0 < len(self.metrics) == len(set(self.metrics)), "metric", self.metric, "each metric once, at least one"
        )
        require(50 <= self.samples <= 10**6, "samples", self.samples, "50 to 1,000,000")
        require(self.every_epochs >= 1, "every_epochs", self.every_epochs, "1 or more")
        enough = self.final_samples is None or 50 <= self.final_samples <= 10**6
        require(enough, "final_samples", self.final_samples, "50 to 1,000,000, or null")
        require(self.finalists >= 0, "finalists", self.finalists, "0 or more")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric or metrics, always as a tuple."""
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig:
    """Early stopping.

    Attributes
    ----------
    name : {"asha", "none"}
        Asynchronous successive halving (Li et al. 2020), or none.
    grace_epochs : int
        Epochs before a trial may be stopped: the first rung.
    reduction_factor : float
        At each rung the best 1 / `reduction_factor` go on; rungs lie at `grace_epochs * reduction_factor**k`.
    judge_over : int
        A rung judges the mean of this many latest evaluations, since single ones wander.
    spare_baseline : bool
        Train the baseline to its end whatever its rungs say: all else is compared with it.
    """

    name: Literal["asha", "none"] = "asha"
    grace_epochs: int = 20
    reduction_factor: float = 3.0
    judge_over: int = 2
    spare_baseline: bool = True

    def __post_init__(self):
        require(self.grace_epochs >= 1, "grace_epochs", self.grace_epochs, "1 or more")
        require(1.1 <= self.reduction_factor <= 100, "reduction_factor", self.reduction_factor, "1.1 to 100")
        require(1 <= self.judge_over <= 100, "judge_over", self.judge_over, "1 or more")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How the axes are explored.

    Attributes
    ----------
    sampler : str
        One of `SAMPLERS`.
    trials : int or None
        Trials in all, baseline and presets included; None: 16, or all points of a grid or an ablation.
    seed : int
        Of the sampler.
    baseline_first : bool
        The settings of the file are the first trial.
    repeats : int
        Seeds per setting of an ablation, the baseline's included.
    scheduler : SchedulerConfig
        Early stopping.
    """

    sampler: str = "tpe"
    trials: int | None = None
    seed: int = 0
    baseline_first: bool = True
    repeats: int = 1
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)

    def __post_init__(self):
        require(self.sampler in SAMPLERS, "sampler", self.sampler, f"one of {', '.join(SAMPLERS)}")
        require(self.trials is None or 1 <= self.trials <= 10**6, "trials", self.trials, "1 or more, or null")
        require(0 <= self.seed < 2**32, "seed", self.seed, "0 to 4294967295")
        require(1 <= self.repeats <= 1000, "repeats", self.repeats, "1 or more")
        ablation = self.sampler == "ablation"
        require(self.repeats == 1 or ablation, "repeats", self.repeats, "1, or sampler: ablation")
        require(self.baseline_first or not ablation, "baseline_first", self.baseline_first, "true for an ablation")


@dataclass(frozen=True, kw_only=True)
class ResourcesConfig:
    """What one trial needs.

    Attributes
    ----------
    workers : int
        Training processes of one trial (data parallel).
    cpus_per_worker, gpus_per_worker : float
        A fraction of a GPU packs several trials on one card.
    max_concurrent : int or None
        Trials at once; None: as many as the cluster holds.
    """

    workers: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    max_concurrent: int | None = None

    def __post_init__(self):
        require(1 <= self.workers <= 1024, "workers", self.workers, "1 or more")
        require(0 < self.cpus_per_worker <= 1024, "cpus_per_worker", self.cpus_per_worker, "more than 0")
        gpus = self.gpus_per_worker
        whole = gpus == int(gpus) if gpus > 1 else gpus >= 0
        require(whole, "gpus_per_worker", gpus, "0, a fraction of 1, or a whole number")
        shared = self.workers > 1 and 0 < gpus < 1
        require(
            not shared, "gpus_per_worker", gpus, "whole GPUs when a trial has several workers (NCCL needs one each)"
        )
        require(
            self.max_concurrent is None or self.max_concurrent >= 1,
            "max_concurrent",
            self.max_concurrent,
            "1 or more, or null",
        )
