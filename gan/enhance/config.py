"""What an enhancer is and how it is trained, as frozen typed values.

As in `gan.config`: everything a search may vary is a field, and a value that cannot work raises `FieldError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from gan.config import Precision, require

Norm = Literal["batch", "instance", "none"]
CriticLoss = Literal["bce", "wasserstein", "hinge"]
PixelLoss = Literal["l1", "mse"]
Switching = Literal["fixed", "adaptive"]

ATTENTION_SIDE = 32  # attention sits at the finest level of at most this side, px


def _choice(name: str, value: str, *accepted: str) -> None:
    require(value in accepted, name, value, " or ".join(f'"{one}"' for one in accepted))


def _at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        require(value >= least, name, value, f"{least} or more")


def _positive(**values: float) -> None:
    for name, value in values.items():
        require(0 < value < math.inf, name, value, "a positive number")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        require(0 <= value < math.inf, name, value, "0 or a positive number")


def _probability(**values: float) -> None:
    for name, value in values.items():
        require(0 <= value < 1, name, value, "a probability in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """A generator that turns a shallow image into what a deeper survey would have seen.

    Attributes
    ----------
    image_size : int
        Side of the input images it is trained on, px; a multiple of `2 ** depth`, 16 or more. The network itself takes
        every side that is such a multiple.
    channels : int
        Number of image bands.
    depth : int
        Number of halvings: the coarsest maps have side `image_size / 2 ** depth`.
    width : int
        Channels at full resolution; they double with every halving, up to `max_width`.
    max_width : int
        Most channels of any level.
    norm : {"batch", "instance", "none"}
        Normalisation after every hidden convolution. With `instance` an image's values depend on all of the frame, so
        tiles of a large image may differ in level.
    attention : bool
        Self-attention (Zhang et al. 2019) in the decoder, at the finest level of at most 32 px.
    spectral_norm : bool
        Divide the weights of every convolution by their largest singular value (Miyato et al. 2018).
    scale : {1, 2}
        Side of the output in units of the input's.
    residual : bool
        The network draws the difference from its input (before the last tanh) instead of the whole image.
    dropout : float
        Probability that a channel is dropped after a 3 x 3 block.
    """

    image_size: int = 224
    channels: int = 3
    depth: int = 4
    width: int = 32
    max_width: int = 256
    norm: Norm = "batch"
    attention: bool = False
    spectral_norm: bool = False
    scale: int = 1
    residual: bool = True
    dropout: float = 0.0

    def __post_init__(self):
        _at_least(1, channels=self.channels, depth=self.depth, width=self.width)
        require(self.depth <= 8, "depth", self.depth, "a whole number from 1 to 8")
        multiple = 2**self.depth
        require(
            self.image_size >= max(16, 2 * multiple) and self.image_size % multiple == 0,
            "image_size",
            self.image_size,
            f"a multiple of {multiple} (2 ** depth), {max(16, 2 * multiple)} or more",
        )
        require(self.max_width >= self.width, "max_width", self.max_width, f"at least the width, {self.width}")
        _choice("norm", self.norm, "batch", "instance", "none")
        require(self.scale in (1, 2), "scale", self.scale, "1 or 2")
        _probability(dropout=self.dropout)
        require(
            not self.attention or self.image_size >> self.depth <= ATTENTION_SIDE,
            "attention",
            self.attention,
            f"false, or a depth that reaches {ATTENTION_SIDE} px (depth {self.depth} of {self.image_size} px ends at "
            f"{self.image_size >> self.depth} px)",
        )

    @property
    def output_size(self) -> int:
        """Side of the output images, px."""
        return self.scale * self.image_size


@dataclass(frozen=True, kw_only=True)
class CriticConfig:
    """A network that tells enhanced images from deep ones.

    Attributes
    ----------
    loss : {"bce", "wasserstein", "hinge"}
        Cross entropy (Goodfellow et al. 2014), Wasserstein distance with gradient penalty (Gulrajani et al. 2017), or
        hinge (Lim & Ye 2017).
    width, max_width : int
        Channels after the first halving, and most channels; they double with every halving.
    norm : {"batch", "instance", "none"}
        Normalisation of hidden layers after the first. Not `batch` with `wasserstein`, whose penalty is per image.
    spectral_norm : bool
        As in `UNetConfig`.
    attention : bool
        Self-attention at the finest level of at most 32 px.
    dropout : float
        Probability that a channel is dropped between hidden layers.
    conditional : bool
        The critic also sees the input that an image was made from (Isola et al. 2017), so that a plausible image that
        does not belong to its input is a fault.
    gradient_penalty : float
        Weight of the penalty, `wasserstein` only.
    """

    loss: CriticLoss = "bce"
    width: int = 32
    max_width: int = 256
    norm: Norm = "none"
    spectral_norm: bool = True
    attention: bool = False
    dropout: float = 0.0
    conditional: bool = False
    gradient_penalty: float = 10.0

    def __post_init__(self):
        _choice("loss", self.loss, "bce", "wasserstein", "hinge")
        _at_least(1, width=self.width)
        require(self.max_width >= self.width, "max_width", self.max_width, f"at least the width, {self.width}")
        _choice("norm", self.norm, "batch", "instance", "none")
        require(
            not (self.norm == "batch" and self.loss == "wasserstein"),
            "norm",
            self.norm,
            '"instance" or "none" with the wasserstein loss',
        )
        _probability(dropout=self.dropout)
        _not_negative(gradient_penalty=self.gradient_penalty)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The generator's loss: a weighted sum of terms; a weight of 0 leaves a term out and costs nothing.

    Attributes
    ----------
    pixel : {"l1", "mse"}
        Mean absolute or mean squared difference from the target, of pixel values in [0, 1].
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

    pixel: PixelLoss = "l1"
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.0
    adversarial_weight: float = 0.01
    stability_weight: float = 0.0
    features: str | None = None
    stability_noise: float = 0.01

    def __post_init__(self):
        _choice("pixel", self.pixel, "l1", "mse")
        _not_negative(
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
        _at_least(0, epochs=self.epochs)
        _positive(lr=self.lr)
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
    """Which of the two networks the next step trains (see `gan.enhance.switcher`).

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
        _choice("kind", self.kind, "fixed", "adaptive")
        _at_least(1, critic_steps=self.critic_steps, generator_steps=self.generator_steps, max_steps=self.max_steps)
        for name in ("critic_below", "generator_below"):
            require(math.isfinite(getattr(self, name)), name, getattr(self, name), "a number")
        _probability(smoothing=self.smoothing)


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
        _positive(critic_lr_ratio=self.critic_lr_ratio)


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
        _at_least(1, batch_size=self.batch_size)
        require(
            len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas), "betas", self.betas, "two numbers in [0, 1)"
        )
        require(self.epochs >= 1, "generator.epochs", self.generator.epochs, "1 or more where no other phase has any")
        require(
            self.ema_decay is None or 0 < self.ema_decay < 1, "ema_decay", self.ema_decay, "a number in (0, 1), or null"
        )
        _choice("precision", self.precision, "auto", "float32", "bfloat16")
        _at_least(0, seed=self.seed)

    @property
    def epochs(self) -> int:
        """Epochs of all phases together, where none ends early."""
        return self.generator.epochs + self.critic.epochs + self.adversarial.epochs


def model_from_dict(values: dict[str, Any]) -> UNetConfig:
    """Inverse of `gan.config.as_dict` for a `UNetConfig`."""
    return UNetConfig(**values)


def critic_from_dict(values: dict[str, Any]) -> CriticConfig:
    """Inverse of `gan.config.as_dict` for a `CriticConfig`."""
    return CriticConfig(**values)


def train_from_dict(values: dict[str, Any]) -> EnhanceTrainConfig:
    """Inverse of `gan.config.as_dict` for an `EnhanceTrainConfig`."""
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
