"""What an enhancer is, as frozen typed values; how it is trained is in `gan.enhance.train_config`.

As in `gan.config`: everything a search may vary is a field, and a value that cannot work raises `FieldError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from common.errors import require
from gan.config import MOST_CHANNELS, WIDEST
from gan.enhance.checks import at_least, choice, not_negative, probability
from gan.enhance.losses import CRITIC_LOSSES
from gan.enhance.train_config import (
    AdversarialPhase,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    LossConfig,
    PhaseConfig,
    SwitcherConfig,
    Switching,
    train_from_dict,
)

__all__ = [
    "ATTENTION_SIDE",
    "AdversarialPhase",
    "CriticConfig",
    "CriticPhase",
    "EnhanceTrainConfig",
    "GeneratorPhase",
    "LossConfig",
    "Norm",
    "PhaseConfig",
    "SwitcherConfig",
    "Switching",
    "UNetConfig",
    "critic_from_dict",
    "model_from_dict",
    "train_from_dict",
]

Norm = Literal["batch", "instance", "none"]

LARGEST_SIDE = 4096
ATTENTION_SIDE = 32  # attention sits at the finest level of at most this side, px


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
        at_least(1, channels=self.channels, depth=self.depth, width=self.width)
        require(self.depth <= 8, "depth", self.depth, "a whole number from 1 to 8")
        require(self.channels <= MOST_CHANNELS, "channels", self.channels, f"1 to {MOST_CHANNELS}")
        require(self.width <= WIDEST, "width", self.width, f"1 to {WIDEST:,}")
        require(self.max_width <= WIDEST, "max_width", self.max_width, f"at most {WIDEST:,}")
        require(self.image_size <= LARGEST_SIDE, "image_size", self.image_size, f"at most {LARGEST_SIDE:,}")
        multiple = 2**self.depth
        require(
            self.image_size >= max(16, 2 * multiple) and self.image_size % multiple == 0,
            "image_size",
            self.image_size,
            f"a multiple of {multiple} (2 ** depth), {max(16, 2 * multiple)} or more",
        )
        require(self.max_width >= self.width, "max_width", self.max_width, f"at least the width, {self.width}")
        choice("norm", self.norm, "batch", "instance", "none")
        require(self.scale in (1, 2), "scale", self.scale, "1 or 2")
        probability(dropout=self.dropout)
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
    loss : str
        A name in `gan.enhance.losses.CRITIC_LOSSES`: "bce", cross entropy (Goodfellow et al. 2014), "wasserstein", with
        gradient penalty (Gulrajani et al. 2017), or "hinge" (Lim & Ye 2017).
    width, max_width : int
        Channels after the first halving, and most channels; they double with every halving.
    norm : {"batch", "instance", "none"}
        Normalisation of hidden layers after the first. Enhanced and deep images differ in little but fine structure:
        `instance` lets the critic see it soon. Not `batch` with `wasserstein`, whose penalty is per image.
    spectral_norm : bool
        As in `UNetConfig`. Without another normalisation it makes the critic very slow to learn such differences.
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

    loss: str = "bce"
    width: int = 32
    max_width: int = 256
    norm: Norm = "instance"
    spectral_norm: bool = False
    attention: bool = False
    dropout: float = 0.0
    conditional: bool = False
    gradient_penalty: float = 10.0

    def __post_init__(self):
        choice("loss", self.loss, *CRITIC_LOSSES)
        at_least(1, width=self.width)
        require(self.max_width >= self.width, "max_width", self.max_width, f"at least the width, {self.width}")
        require(self.max_width <= WIDEST, "max_width", self.max_width, f"at most {WIDEST:,}")
        choice("norm", self.norm, "batch", "instance", "none")
        require(
            not (self.norm == "batch" and CRITIC_LOSSES[self.loss].penalised),
            "norm",
            self.norm,
            f'"instance" or "none" with the {self.loss} loss',
        )
        probability(dropout=self.dropout)
        not_negative(gradient_penalty=self.gradient_penalty)


def model_from_dict(values: dict[str, Any]) -> UNetConfig:
    """Return the `UNetConfig` that `gan.config.as_dict` wrote down; raises `FieldError` as that does."""
    return UNetConfig(**values)


def critic_from_dict(values: dict[str, Any]) -> CriticConfig:
    """Return the `CriticConfig` that `gan.config.as_dict` wrote down; raises `FieldError` as that does."""
    return CriticConfig(**values)
