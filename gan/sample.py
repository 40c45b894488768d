"""Drawing galaxies from a trained generator, and enlarging images with one.

Image i of a seed is always the same, whatever else is drawn with it: its noise is a function of (seed, i),
batch norms use their running statistics, and the network always sees aligned blocks of the same number of images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from common.errors import require
from gan.training.batches import to_unit

BLOCK = 64  # images that go through the network together, always
ENLARGE_BLOCK = 16


def noise(seed: int, start: int, n: int, latent_dim: int) -> np.ndarray:
    """Standard normal noise of images `start` to `start + n` of `seed`.

    Each block of 64 images has its own counter-based stream (Philox, keyed by seed and block number).

    Parameters
    ----------
    seed, start, n : int
        From 0 to below 2**64; from 0.
    latent_dim : int
        1 or more.

    Returns
    -------
    ndarray, (n, latent_dim) float32

    Raises
    ------
    FieldError
        A number is out of its range.
    """
    _check_range(seed, start, n)
    require(latent_dim >= 1, "latent_dim", latent_dim, "1 or more")
    first, last = start // BLOCK, -(-(start + n) // BLOCK)
    blocks = [
        np.random.Generator(np.random.Philox(key=[seed, block])).standard_normal((BLOCK, latent_dim), np.float32)
        for block in range(first, last)
    ]
    offset = start - first * BLOCK
    return np.concatenate(blocks)[offset : offset + n] if blocks else np.empty((0, latent_dim), np.float32)


def _check_range(seed: int, start: int, n: int) -> None:
    require(0 <= seed < 2**64, "seed", seed, "0 to below 2**64")
    require(start >= 0, "start", start, "0 or more")
    require(n >= 0, "n", n, "0 or more images")


def to_uint8(images: Tensor) -> Tensor:
    """Round images to 8 bits.

    Parameters
    ----------
    images : Tensor, (N, C, H, W) float in [-1, 1]
        What lies outside is clipped.

    Returns
    -------
    Tensor, (N, H, W, C) uint8
    """
    return images.float().add(1.0).mul_(127.5).round_().clamp_(0.0, 255.0).to(torch.uint8).permute(0, 2, 3, 1)


def network_device(network: nn.Module) -> torch.device:
    """Return the device that the network's weights are on."""
    return next(network.parameters()).device


@torch.inference_mode()
def sample(
    generator: nn.Module,
    n: int,
    *,
    seed: int,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    start: int = 0,
) -> np.ndarray:
    """Draw images `start` to `start + n` of `seed`.

    Parameters
    ----------
    generator : Module
        Takes `(N, latent_dim)` noise, has `latent_dim`, returns `(N, C, H, W)` in [-1, 1]; a `Chain` is one.
        It is used in evaluation mode and left as it was.
    n : int
        Number of images.
    seed : int
        0 or more. Image i depends on (seed, start + i) only, never on `n` or `batch_size`.
    batch_size : int
        Images held on the device at once, rounded up to a multiple of 64.
    device : device or None
        Where to compute, in float32; None: where the generator is. The generator is moved there.
    start : int
        Number of the first image.

    Returns
    -------
    ndarray, (n, H, W, C) uint8

    Raises
    ------
    FieldError
        A number is out of its range.
    """
    _check_range(seed, start, n)
    require(batch_size >= 1, "batch_size", batch_size, "1 or more images")
    place = torch.device(device) if device is not None else network_device(generator)
    generator.to(place)
    was_training = generator.training
    generator.eval()
    latent_dim: int = generator.latent_dim  # type: ignore[assignment]
    begin, end = start // BLOCK * BLOCK, start + max(n, 1)
    stride = max(1, -(-batch_size // BLOCK)) * BLOCK
    parts = []
    try:
        for first in range(begin, end, stride):
            count = min(stride, -(-(end - first) // BLOCK) * BLOCK)
            z = torch.from_numpy(noise(seed, first, count, latent_dim)).to(place)
            parts.append(torch.cat([to_uint8(generator(block)) for block in z.split(BLOCK)]).cpu().numpy())
    finally:
        generator.train(was_training)
    return np.concatenate(parts)[start - begin : start - begin + n]


@torch.inference_mode()
def enlarge(generator: nn.Module, images: np.ndarray, *, device: torch.device | str | None = None) -> np.ndarray:
    """Enlarge images with a generator that takes images (Stage-II).

    Parameters
    ----------
    generator : Module
        Takes `(N, C, s, s)` in [0, 1], returns `(N, C, S, S)` in [-1, 1]. Used in evaluation mode, left as it was.
    images : ndarray, (n, s, s, C) uint8
        A memory map is read block by block.
    device : device or None
        Where to compute, in float32; None: where the generator is. The generator is moved there.

    Returns
    -------
    ndarray, (n, S, S, C) uint8
        Each depends on its own input only.

    Raises
    ------
    ValueError
        The images are not uint8, or not of the side that the generator takes.
    """
    side: int = generator.input_size  # type: ignore[assignment]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:3] != (side, side):
        raise ValueError(
            f"images of shape {images.shape} {images.dtype}: this generator enlarges (n, {side}, {side}, C) uint8"
        )
    place = torch.device(device) if device is not None else network_device(generator)
    generator.to(place)
    was_training = generator.training
    generator.eval()
    out: int = generator.image_size  # type: ignore[assignment]
    enlarged = np.empty((len(images), out, out, images.shape[3]), np.uint8)
    try:
        for first in range(0, len(images), ENLARGE_BLOCK):
            rows = np.arange(first, first + ENLARGE_BLOCK).clip(max=len(images) - 1)
            block = to_unit(torch.from_numpy(np.asarray(images[rows])).to(place))
            kept = enlarged[first : first + ENLARGE_BLOCK]
            kept[:] = to_uint8(generator(block))[: len(kept)].cpu().numpy()
    finally:
        generator.train(was_training)
    return enlarged
