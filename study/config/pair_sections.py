"""The sections of a search-space file whose model is an enhancer (`model.family: unet`)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from common.errors import require
from eval.metrics import PAIRS
from gan.enhance.config import CriticConfig, UNetConfig, critic_from_dict

ENHANCERS = ("unet",)


@dataclass(frozen=True, kw_only=True)
class EnhancerConfig(UNetConfig):
    """A U-Net and its critic.

    Attributes
    ----------
    family : str
        `unet`.
    critic : CriticConfig
        What it is trained against.
    """

    family: str = "unet"
    critic: CriticConfig = field(default_factory=CriticConfig)

    def __post_init__(self):
        super().__post_init__()
        require(self.family in ENHANCERS, "family", self.family, f"one of {', '.join(ENHANCERS)}")

    @property
    def unet(self) -> UNetConfig:
        """The generator alone."""
        return UNetConfig(**{f.name: getattr(self, f.name) for f in dataclasses.fields(UNetConfig)})


def model_from_dict(values: dict[str, Any]) -> EnhancerConfig:
    """Inverse of `gan.config.as_dict` for an `EnhancerConfig`."""
    return EnhancerConfig(**{**values, "critic": critic_from_dict(values["critic"])})


@dataclass(frozen=True, kw_only=True)
class PairDataConfig:
    """Which pairs of shallow and deep images.

    Attributes
    ----------
    set : str
        Folder of a pair set, or `synthetic`.
    image_size : int
        Side of the inputs in pixels; must be the set's.
    held_out : int or None
        Pairs kept out of training; None: `objective.samples` and `objective.final_samples` together, at most a quarter.
    synthetic_count : int
        Pairs drawn where `set` is `synthetic`.
    seed : int
        Of the split and of the synthetic pairs.
    train_label, judge_label : str or None
        Train on, and judge on, pairs of this class only (the set's column `label`; synthetic: disc, elliptical): with
        two different ones, the domain-shift test. None: all pairs.
    """

    set: str = "synthetic"
    image_size: int = 64
    held_out: int | None = None
    synthetic_count: int = 600
    seed: int = 0
    train_label: str | None = None
    judge_label: str | None = None

    def __post_init__(self):
        require(bool(self.set), "set", self.set, "`synthetic` or the folder of a pair set")
        require(self.held_out is None or self.held_out >= 8, "held_out", self.held_out, "8 or more, or null")
        require(32 <= self.synthetic_count <= 10**6, "synthetic_count", self.synthetic_count, "32 to 1,000,000")
        require(0 <= self.seed < 2**31, "seed", self.seed, "0 or more")
        for name in ("train_label", "judge_label"):
            require(getattr(self, name) != "", name, "", "the name of a class, or null")


@dataclass(frozen=True, kw_only=True)
class EnhanceObjectiveConfig:
    """What makes one enhancer better than another.

    Attributes
    ----------
    metric : str or tuple of str
        Registered in `eval.metrics`, or a list of them (Pareto front, no early stopping). Where the largest values are
        good, the search minimises their negatives.
    samples : int
        Held-out pairs judged at each evaluation.
    every_epochs : int
        Epochs between evaluations; the last epoch is always evaluated.
    final_samples : int or None
        Other held-out pairs, on which the finalists are judged; None: as many as `samples`.
    finalists : int
        Best trials judged again at the end; 0: none.
    engine : {"fast", "photutils"}
        Engine of `eval.measure.measure`.
    """

    metric: str | tuple[str, ...] = "psnr"
    samples: int = 100
    every_epochs: int = 5
    final_samples: int | None = None
    finalists: int = 2
    engine: Literal["fast", "photutils"] = "fast"

    def __post_init__(self):
        for name in self.metrics:
            accepted = f"one of {', '.join(PAIRS.objectives)}, or a list of them"
            require(name in PAIRS.objectives, "metric", name, accepted)
        once = 0 < len(self.metrics) == len(set(self.metrics))
        require(once, "metric", self.metric, "each metric once, at least one")
        require(8 <= self.samples <= 10**5, "samples", self.samples, "8 to 100,000")
        require(self.every_epochs >= 1, "every_epochs", self.every_epochs, "1 or more")
        enough = self.final_samples is None or 8 <= self.final_samples <= 10**5
        require(enough, "final_samples", self.final_samples, "8 to 100,000, or null")
        require(0 <= self.finalists <= 1000, "finalists", self.finalists, "0 to 1,000")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric or metrics, always as a tuple."""
        return (self.metric,) if isinstance(self.metric, str) else tuple(self.metric)
