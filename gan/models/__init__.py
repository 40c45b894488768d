"""Families of networks, each by arithmetic from one `gan.config.ModelConfig`."""

from __future__ import annotations

import torch

from common.errors import require
from gan.config import ModelConfig
from gan.models import dcgan, stackgan
from gan.models.family import Family
from gan.models.layers import Network, initialise, parameter_count

__all__ = ["FAMILIES", "Family", "Network", "build", "check", "parameter_count"]


FAMILIES: dict[str, Family] = {"dcgan": dcgan.FAMILY, "stackgan": stackgan.FAMILY}
"""By the name that `ModelConfig.family` gives; a new family is a module with a `FAMILY`, and its entry here."""


def check(config: ModelConfig) -> Family:
    """Return the family of a config, once it is known that it can be built; cheap, builds nothing.

    Parameters
    ----------
    config : ModelConfig
        What is to be built.

    Returns
    -------
    Family

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
