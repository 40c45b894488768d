"""How an enhancer is trained: its loss, its phases and the switcher, as frozen typed values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from common.errors import require
from gan.config import Precision
from gan.enhance.checks import at_least, choice, not_negative, positive, probability
from gan.enhance.losses import PIXEL_LOSSES

Switching = Literal["fixed", "adaptive"]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The generator's loss: a weighted sum of terms; a weight of 0 leaves a term out and costs nothing.

    Attributes
    ----------
    pixel : str
        A name in `gan.enhance.losses.PIXEL_LOSSES`: "l1" or "mse", mean absolute or mean squared difference from the
        target, of pixel values in [0, 1].
    pixel_weight, perceptual_weight, stability_weight : float
        In every phase that trains the generator.
    adversarial_weight : float
        Of the critic's opinion, in the adversarial phase.
    features : str or None
        The network whose features the perceptual term compares: a file written by `gan.enhance.features`,
        `"torchvision:vgg16"`, or `"torchvision:vgg16=weights.pth"`. Needed where `perceptual_weight` is not 0.
    stability_noise : float
        Standard deviation of the perturbation of the stability term, in units of the full range [0, 1].
    """

    pixel: str = "l1"
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.0
    adversarial_weight: float = 0.01
    stability_weight: float = 0.0
    features: str | None = None
    stability_noise: float = 0.01

    def __post_init__(self):
        choice("pixel", self.pixel, *PIXEL_LOSSES)
        not_negative(
            pixel_weight=self.pixel_weight,
            perceptual_weight=self.perceptual_weight,
            adversarial_weight=self.adversarial_weight,
            stability_weight=self.stability_weight,
            stability_noise=self.stability_noise,
        )
        require(
            self.pixel_weight > 0 or self.perceptual_weight > 0,
            "pixel_weight",
            self.pixel_weight,
            "a positive number where perceptual_weight is 0: the first phase would have nothing to learn",
        )
        require(
            self.perceptual_weight == 0 or self.features is not None,
            "features",
            self.features,
            'a features file or "torchvision:NAME", since perceptual_weight is not 0',
        )


@dataclass(frozen=True, kw_only=True)
class PhaseConfig:
    """One phase of the training: how long, how fast, and when it has had enough.

    Attributes
    ----------
    epochs : int
        Passes over the training pairs, at most; 0 leaves the phase out.
    lr : float
        Adam's learning rate.
    patience : int or None
        End the phase when its loss has not improved for this many epochs; None: train all epochs.
    min_gain : float
        An improvement is a loss smaller by this share of the best one so far.
    """

    epochs: int = 0
    lr: float = 1.0e-3
    patience: int | None = None
    min_gain: float = 0.005

    def __post_init__(self):
        at_least(0, epochs=self.epochs)
        positive(lr=self.lr)
        require(self.patience is None or self.patience >= 1, "patience", self.patience, "1 or more epochs, or null")
        require(0 <= self.min_gain < 1, "min_gain", self.min_gain, "a share in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class GeneratorPhase(PhaseConfig):
    """The generator alone, against the targets; `patience` looks at the whole loss."""

    epochs: int = 20
    lr: float = 1.0e-3


@dataclass(frozen=True, kw_only=True)
class CriticPhase(PhaseConfig):
    """The critic alone, on saved outputs of the generator against targets.

    Attributes
    ----------
    stop_below : float or None
        End the phase after an epoch with a mean loss below this; None: see `patience`. Indifference is
        2 ln 2 = 1.386 for `bce` and 2 for `hinge`.
    """

    epochs: int = 5
    lr: float = 4.0e-4
    stop_below: float | None = None

    def __post_init__(self):
        PhaseConfig.__post_init__(self)
        require(
            self.stop_below is None or math.isfinite(self.stop_below), "stop_below", self.stop_below, "a number or null"
        )


@dataclass(frozen=True, kw_only=True)
class SwitcherConfig:
    """Which of the two networks the next step trains (see `gan.enhance.training.switcher`).

    Attributes
    ----------
    kind : {"fixed", "adaptive"}
        A set number of steps each; or each until its loss is below its threshold.
    critic_steps, generator_steps : int
        `fixed`: steps of each before the other's turn.
    critic_below, generator_below : float
        `adaptive`: the critic's turn ends when its loss is below the one, the generator's when its adversarial term
        (without weight) is below the other. At indifference `bce` gives 1.386 and 0.693, `hinge` 2 and 0.
    smoothing : float
        `adaptive`: the loss that is compared is a moving average with this decay per step, begun anew each turn.
    max_steps : int
        `adaptive`: no turn is longer than this, so that neither side starves.
    """

    kind: Switching = "adaptive"
    critic_steps: int = 1
    generator_steps: int = 1
    critic_below: float = 1.0
    generator_below: float = 1.0
    smoothing: float = 0.0
    max_steps: int = 10

    def __post_init__(self):
        choice("kind", self.kind, "fixed", "adaptive")
        at_least(1, critic_steps=self.critic_steps, generator_steps=self.generator_steps, max_steps=self.max_steps)
        for name in ("critic_below", "generator_below"):
            require(math.isfinite(getattr(self, name)), name, getattr(self, name), "a number")
        probability(smoothing=self.smoothing)


@dataclass(frozen=True, kw_only=True)
class AdversarialPhase(PhaseConfig):
    """Both, by turns; `patience` looks at the generator's loss without its adversarial term.

    Attributes
    ----------
    lr : float
        The generator's learning rate.
    critic_lr_ratio : float
        The critic's learning rate in units of the generator's.
    switcher : SwitcherConfig
        Whose turn it is.
    """

    epochs: int = 20
    lr: float = 1.0e-4
    critic_lr_ratio: float = 4.0
    switcher: SwitcherConfig = field(default_factory=SwitcherConfig)

    def __post_init__(self):
        PhaseConfig.__post_init__(self)
        positive(critic_lr_ratio=self.critic_lr_ratio)


@dataclass(frozen=True, kw_only=True)
class EnhanceTrainConfig:
    """How an enhancer is trained: three phases, one after the other.

    Attributes
    ----------
    batch_size : int
        Pairs per step, over all workers together.
    betas : tuple of float
        Adam's decay rates, in all phases.
    loss : LossConfig
        What the generator minimises.
    generator, critic, adversarial : GeneratorPhase, CriticPhase, AdversarialPhase
        The phases.
    symmetries : bool
        Each pair is seen in one of its eight orientations (flips and turns by right angles), drawn anew every epoch.
    ema_decay : float or None
        Decay per step of an exponential moving average of the generator; sampling then uses it. None: no average.
    precision : {"auto", "float32", "bfloat16"}
        As `gan.config.TrainConfig`.
    seed : int
        Every random stream derives from it.
    """

    batch_size: int = 16
    betas: tuple[float, float] = (0.5, 0.99)
    loss: LossConfig = field(default_factory=LossConfig)
    generator: GeneratorPhase = field(default_factory=GeneratorPhase)
    critic: CriticPhase = field(default_factory=CriticPhase)
    adversarial: AdversarialPhase = field(default_factory=AdversarialPhase)
    symmetries: bool = True
    ema_decay: float | None = None
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self):
        at_least(1, batch_size=self.batch_size)
        require(
            len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "betas", self.betas, "two numbers in [0, 1)"
        )
        require(self.epochs >= 1, "generator.epochs", self.generator.epochs, "1 or more where no other phase has any")
        require(
            self.ema_decay is None or 0 < self.ema_decay < 1, "ema_decay", self.ema_decay, "a number in (0, 1), or null"
        )
        choice("precision", self.precision, "auto", "float32", "bfloat16")
        at_least(0, seed=self.seed)

    @property
    def epochs(self) -> int:
        """Epochs of all phases together, where none ends early."""
        return self.generator.epochs + self.critic.epochs + self.adversarial.epochs

    def first_judged_epoch(self, grace_epochs: int) -> int:
        """Return the first epoch at which this training may be compared with others.

        The grace period counts from the epoch at which generator and critic meet.
        """
        alone = self.generator.epochs + self.critic.epochs if self.adversarial.epochs else 0
        return grace_epochs + alone


def train_from_dict(values: dict[str, Any]) -> EnhanceTrainConfig:
    """Return the `EnhanceTrainConfig` that `gan.config.as_dict` wrote down; raises `FieldError` as that does."""
    adversarial = dict(values["adversarial"])
    return EnhanceTrainConfig(
        **values
        | {
            "betas": tuple(values["betas"]),
            "loss": LossConfig(**values["loss"]),
            "generator": GeneratorPhase(**values["generator"]),
            "critic": CriticPhase(**values["critic"]),
            "adversarial": AdversarialPhase(**adversarial | {"switcher": SwitcherConfig(**adversarial["switcher"])}),
        }
    )
