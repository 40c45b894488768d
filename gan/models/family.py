"""What a family of networks is: how to make its two networks, and what they take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gan.config import ModelConfig
from gan.models.layers import Network


@dataclass(frozen=True, kw_only=True)
class Family:
    """How to make the two networks of one architecture, and what they eat.

    Attributes
    ----------
    generator, discriminator : callable
        `ModelConfig -> Network`.
    generator_input : {"noise", "image"}
        What the generator takes: `(N, latent_dim)` noise, or `(N, channels, S, S)` images in [0, 1]
        of side `input_size(config)`.
    input_size : callable or None
        `ModelConfig -> int`, side of the generator's input images; None for noise.
    check : callable or None
        Raises `FieldError` for a config that this family cannot build.
    """

    generator: Callable[[ModelConfig], Network]
    discriminator: Callable[[ModelConfig], Network]
    generator_input: Literal["noise", "image"] = "noise"
    input_size: Callable[[ModelConfig], int] | None = None
    check: Callable[[ModelConfig], None] | None = None
