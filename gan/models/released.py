"""Recognising a generator by the names and shapes of its weights (the authors released bare state dicts)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from common.errors import FieldError
from gan.config import ModelConfig
from gan.models.dcgan import BASE


class LayoutError(ValueError):
    """Weights that are of no generator we know; says what was found and what was expected."""


def config_of(weights: Mapping[str, Tensor]) -> ModelConfig:
    """Return the config of the generator that weights belong to.

    Recognised are the layouts of the authors' `dcgan_G.pth` (convolutions `main.0, 2, 6, ...`), at any size and width,
    and of their `stackgan_G.pth` (`preprocessing.0`, `residual.0`, ...), at any width. The latter's weights do not
    tell the side, taken to be 128 px, nor the place of the long skip, taken to be that of the released code.

    Parameters
    ----------
    weights : mapping of str to Tensor
        A state dict.

    Returns
    -------
    ModelConfig

    Raises
    ------
    LayoutError
        Neither layout.
    """
    return _stackgan(weights) if "preprocessing.0.weight" in weights else _dcgan(weights)


def _stackgan(weights: Mapping[str, Tensor]) -> ModelConfig:
    first = weights["preprocessing.0.weight"]
    if first.ndim != 4:
        raise LayoutError(f"weights that fit no Stage-II generator: preprocessing.0.weight has {first.ndim} dimensions")
    width, channels, kernel_size, _ = first.shape
    try:
        return ModelConfig(
            family="stackgan",
            image_size=128,
            width=width,
            channels=channels,
            kernel_size=kernel_size,
            batch_norm="ending_residual.1.weight" in weights,
        )
    except FieldError as error:
        raise LayoutError(f"weights that fit no Stage-II generator: {error}") from None


def _dcgan(weights: Mapping[str, Tensor]) -> ModelConfig:
    kernels = {key: value for key, value in weights.items() if value.ndim == 4}
    numbers = sorted(int(m[1]) for key in kernels if (m := re.fullmatch(r"main\.(\d+)\.weight", key)))
    expected = [0] + [2 + 4 * i for i in range(len(numbers) - 1)]
    if len(numbers) != len(kernels) or numbers != expected or len(numbers) < 3:
        raise LayoutError(
            "weights of an unknown layout: expected the convolutions main.0, main.2, main.6, ... of a DCGAN generator "
            "or preprocessing.0, residual.0, ... of a Stage-II generator, "
            f"found {', '.join(list(kernels)[:6]) or 'none'}"
        )
    first, last = kernels["main.0.weight"], kernels[f"main.{numbers[-1]}.weight"]
    try:
        config = ModelConfig(
            image_size=BASE << (len(numbers) - 1),
            channels=last.shape[1],
            latent_dim=first.shape[0],
            width=last.shape[0],
            kernel_size=last.shape[2],
            batch_norm="main.3.weight" in weights,
        )
    except FieldError as error:
        raise LayoutError(f"weights that fit no DCGAN generator: {error}") from None
    return config
