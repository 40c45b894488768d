"""Families of networks, each by arithmetic from one `gan.config.ModelConfig`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from common.errors import require
from gan.config import ModelConfig
from gan.models import dcgan, stackgan
from gan.models.layers import Network, initialise, parameter_count

__all__ = ["FAMILIES", "Family", "Network", "build", "check", "parameter_count"]


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


FAMILIES: dict[str, Family] = {
    "dcgan": Family(generator=dcgan.generator, discriminator=dcgan.discriminator),
    "stackgan": Family(
        generator=stackgan.generator,
        discriminator=stackgan.discriminator,
        generator_input="image",
        input_size=stackgan.input_size,
        check=stackgan.check,
    ),
}


def check(config: ModelConfig) -> Family:
    """The family of `config`, once it is known that it can be built; cheap, builds nothing.

    Raises
    ------
    FieldError
        The family is unknown, or cannot have a field's value.
    """
    require(config.family in FAMILIES, "family", config.family, " or ".join(f'"{name}"' for name in FAMILIES))
    family = FAMILIES[config.family]
    if family.check is not None:
        family.check(config)
    return family


def build(config: ModelConfig, *, rng: torch.Generator | None = None) -> tuple[Network, Network]:
    """Make the generator and the discriminator of `config`, freshly initialised, in training mode, on the CPU.

    Parameters
    ----------
    config : ModelConfig
        What to build.
    rng : torch.Generator or None
        The stream that weights are drawn from; None: torch's global one.

    Returns
    -------
    generator, discriminator : Network
        See `Family.generator_input` for what the generator takes; it returns `(N, channels, S, S)` in [-1, 1].
        The discriminator takes such images and returns logits `(N,)`.

    Raises
    ------
    FieldError
        As `check`.
    """
    family = check(config)
    networks = family.generator(config), family.discriminator(config)
    for network in networks:
        initialise(network, rng)
    return networks
