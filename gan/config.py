"""What a network is and how it is trained, as frozen typed values.

Everything a search may vary is a field here. A value that cannot work raises
`FieldError` the moment the object is made, naming the field, the value and what
would be accepted; `study.config.study` turns that into a message with file and line.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from common.errors import require

Placement = Literal["none", "generator", "discriminator", "both", "discriminator_last"]
Precision = Literal["auto", "float32", "bfloat16"]
LongSkip = Literal["released", "equation_19"]
WIDEST, MOST_CHANNELS = 65_536, 64
"""Beyond these no machine could hold the networks: a number that large is a slip."""
MOST_EPOCHS, LARGEST_BATCH = 1_000_000, 1_000_000


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A generator and its discriminator.

    Attributes
    ----------
    family : str
        Name of a registered family (`gan.models.FAMILIES`): `"dcgan"` is the paper's Table 1, `"stackgan"` its
        Stage-II, which enlarges images of half the side (F&M App. B).
    image_size : int
        Side of the square images in pixels; a power of two, 16 to 512. Depth follows from it.
    channels : int
        Number of image bands, 1 or more.
    latent_dim : int
        Dimension of the standard normal noise `z` (paper: 100). Families that take images have none and ignore it.
    width : int
        Channels of the generator's last hidden layer, next to the image
        (so `8 * width` at its first hidden layer for 64 px, `16 * width` for 128 px).
        For `stackgan`, channels of the trunk.
    discriminator_width : int or None
        Channels of the discriminator's first layer; None means `width`.
    kernel_size : int
        Kernel of every stride-2 convolution, 4 or 6 (F&M sec. 3.2).
    batch_norm : bool
        Batch normalisation in all layers but the first and the last.
    long_skip : {"released", "equation_19"}
        `stackgan` only: whether the long skip is added after the last residual convolution's ReLU, as the authors'
        released code and weights do, or before it, as F&M eq. 19 says.
    """

    family: str = "dcgan"
    image_size: int = 64
    channels: int = 3
    latent_dim: int = 100
    width: int = 128
    discriminator_width: int | None = None
    kernel_size: int = 4
    batch_norm: bool = True
    long_skip: LongSkip = "released"

    def __post_init__(self):
        good = _power_of_two(self.image_size) and 16 <= self.image_size <= 512
        require(good, "image_size", self.image_size, "a power of two from 16 to 512")
        require(1 <= self.channels <= MOST_CHANNELS, "channels", self.channels, f"1 to {MOST_CHANNELS}")
        require(1 <= self.latent_dim <= WIDEST, "latent_dim", self.latent_dim, f"1 to {WIDEST:,}")
        require(1 <= self.width <= WIDEST, "width", self.width, f"1 to {WIDEST:,}")
        good = self.discriminator_width is None or 1 <= self.discriminator_width <= WIDEST
        accepted = f"1 to {WIDEST:,}, or null for the same as width"
        require(good, "discriminator_width", self.discriminator_width, accepted)
        require(self.kernel_size in (4, 6), "kernel_size", self.kernel_size, "4 or 6")
        good = self.long_skip in ("released", "equation_19")
        require(good, "long_skip", self.long_skip, '"released" or "equation_19"')

    @property
    def effective_discriminator_width(self) -> int:
        """`discriminator_width`, or `width` where that is None."""
        return self.width if self.discriminator_width is None else self.discriminator_width


@dataclass(frozen=True, kw_only=True)
class DropoutConfig:
    """Spatial dropout (whole channels) as a schedule over epochs.

    Attributes
    ----------
    placement : {"none", "generator", "discriminator", "both", "discriminator_last"}
        Between all hidden layers of the named networks, or before the discriminator's last layer only.
    p : float
        Probability that a channel is dropped, in [0, 1).
    onset_epoch : int or None
        Number of epochs trained without dropout before it begins; None or 0: on from the start.
    end_epoch : int or None
        Dropout is off again after this many epochs; None: it stays on.
    anneal_epochs : int
        `p` rises linearly from 0 over this many epochs after the onset; 0: at once.
    """

    placement: Placement = "none"
    p: float = 0.5
    onset_epoch: int | None = None
    end_epoch: int | None = None
    anneal_epochs: int = 0

    def __post_init__(self):
        require(0.0 <= self.p < 1.0, "p", self.p, "a probability in [0, 1)")
        onset, end, first = self.onset_epoch, self.end_epoch, self.onset_epoch or 0
        require(onset is None or onset >= 0, "onset_epoch", onset, "0 or more, or null")
        require(end is None or end >= first, "end_epoch", end, f"at least the onset_epoch ({first}), or null")
        require(self.anneal_epochs >= 0, "anneal_epochs", self.anneal_epochs, "0 or more")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the two networks are trained against each other.

    Attributes
    ----------
    epochs : int
        Passes over the training images.
    batch_size : int
        Images per step, over all workers together.
    lr, discriminator_lr : float, float or None
        Adam's learning rate; None for the discriminator means the same.
    betas : tuple of float
        Adam's decay rates.
    lr_half_life : int or None
        The learning rates halve every this many epochs; None: constant (Stage-II of the paper: 80).
    label_smoothing : float
        `d`: labels of real images are uniform in [1 - d, 1 + d] (F&M sec. 3.2; 0.3 there); 0: exactly 1.
    dropout : DropoutConfig
        Where and when dropout acts.
    ema_decay : float or None
        Decay per step of an exponential moving average of the generator; sampling then uses it. None: no average.
    flips : bool
        Random horizontal and vertical flips of real images, each with probability 0.5.
    precision : {"auto", "float32", "bfloat16"}
        Arithmetic of the forward and backward pass; weights and optimiser are float32 always.
        `auto` takes bfloat16 where the hardware computes with it.
    lambda_adversarial, lambda_dual : float
        Weights of the adversarial and of the dual term in the generator's loss, for families that take images
        (F&M eq. 3, 4: 0.001 and 1); ignored by the others.
    seed : int
        Every random stream of the trial derives from it.
    """

    epochs: int = 100
    batch_size: int = 32
    lr: float = 2.0e-4
    discriminator_lr: float | None = None
    betas: tuple[float, float] = (0.5, 0.999)
    lr_half_life: int | None = None
    label_smoothing: float = 0.0
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    ema_decay: float | None = None
    flips: bool = True
    precision: Precision = "auto"
    lambda_adversarial: float = 0.001
    lambda_dual: float = 1.0
    seed: int = 0

    def __post_init__(self):
        require(1 <= self.epochs <= MOST_EPOCHS, "epochs", self.epochs, f"1 to {MOST_EPOCHS:,}")
        require(2 <= self.batch_size <= LARGEST_BATCH, "batch_size", self.batch_size, f"2 to {LARGEST_BATCH:,}")
        require(0 < self.lr < math.inf, "lr", self.lr, "a positive number")
        other_lr, half_life, decay = self.discriminator_lr, self.lr_half_life, self.ema_decay
        good = other_lr is None or 0 < other_lr < math.inf
        require(good, "discriminator_lr", other_lr, "a positive number, or null for the same as lr")
        good = len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas)
        require(good, "betas", self.betas, "two numbers in [0, 1)")
        require(half_life is None or half_life >= 1, "lr_half_life", half_life, "1 or more epochs, or null")
        require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "a number in [0, 1)")
        require(decay is None or 0 < decay < 1, "ema_decay", decay, "a number in (0, 1), or null")
        for name in ("lambda_adversarial", "lambda_dual"):
            value = getattr(self, name)
            require(0 <= value < math.inf, name, value, "0 or a positive number")
        require(self.seed >= 0, "seed", self.seed, "0 or more")

    def first_judged_epoch(self, grace_epochs: int) -> int:
        """Return the first epoch at which this training may be compared with others.

        A discriminator whose dropout begins at epoch 200 is not what its settings make it before then, so the grace
        period counts from the onset.
        """
        dropout = self.dropout
        onset = dropout.onset_epoch or 0
        waits = dropout.placement != "none" and dropout.p > 0 and onset < self.epochs
        return grace_epochs + (onset if waits else 0)


def as_dict(config: Any) -> dict[str, Any]:
    """Return a config as nested plain values, which JSON and checkpoints can hold: tuples become lists.

    Parameters
    ----------
    config : dataclass
        Such as `ModelConfig` or `TrainConfig`.

    Returns
    -------
    dict of str to object
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return value

    return plain(dataclasses.asdict(config))


def model_from_dict(values: dict[str, Any]) -> ModelConfig:
    """Return the `ModelConfig` that `as_dict` wrote down.

    Parameters
    ----------
    values : dict
        Fields that are not given have their defaults.

    Raises
    ------
    FieldError
        A value cannot work.
    TypeError
        A field is unknown.
    """
    return ModelConfig(**values)


def train_from_dict(values: dict[str, Any]) -> TrainConfig:
    """Return the `TrainConfig` that `as_dict` wrote down.

    Parameters
    ----------
    values : dict
        With `betas` and `dropout` at least.

    Raises
    ------
    FieldError
        A value cannot work.
    KeyError, TypeError
        A field is missing or unknown.
    """
    rest = {key: value for key, value in values.items() if key not in ("dropout", "betas")}
    return TrainConfig(**rest, betas=tuple(values["betas"]), dropout=DropoutConfig(**values["dropout"]))
