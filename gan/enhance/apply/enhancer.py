"""Enhancing images of any size with a trained U-Net: in tiles whose overlaps are blended, in bounded memory.

Shapes: N images of H x W px and C channels; the network takes sides that are multiples of `2**depth` and returns them
`scale` times as large.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from gan.enhance.apply.tiles import Axis, lay
from gan.sample import network_device
from gan.training.batches import to_unit

TILE, OVERLAP, BATCH_SIZE = 224, 32, 8


def enhance(
    generator: nn.Module,
    images: np.ndarray,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str | None = None,
) -> np.ndarray:
    """Enhance images, each on its own: no image depends on the others.

    Parameters
    ----------
    generator : Module
        Takes `(N, C, S, S)` in [0, 1] and returns `(N, C, kS, kS)` in [-1, 1]: a `gan.enhance.models.unet.UNet`.
        It is used in evaluation mode and left as it was.
    images : ndarray, (N, H, W, C) uint8, or floating in [0, 1]
        A memory map is read tile by tile.
    tile, overlap : int
        Images larger than `tile` px are cut into tiles that share `overlap` px or more, in which one passes linearly
        over into the next; smaller ones are padded by reflection to what the network takes.
    batch_size : int
        Tiles on the device at once.
    device : device or None
        Where to compute, in float32; None: where the generator is. The generator is moved there.

    Returns
    -------
    ndarray, (N, kH, kW, C), of the dtype of `images`
        Floating values are clipped to [0, 1] as bytes are.

    Raises
    ------
    ValueError
        The images are of another kind, or the overlap leaves tiles no room.
    """
    if images.ndim != 4 or not (images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)):
        raise ValueError(f"images of shape {images.shape} {images.dtype}: expected (N, H, W, C) uint8 or floating")
    k = scale_of(generator)
    n, height, width, channels = images.shape
    enhanced = np.empty((n, k * height, k * width, channels), images.dtype)
    if max(height, width) <= tile:
        # Whole images share a batch: tiles of one image would leave most of it empty.
        for first in range(0, n, batch_size):
            block = slice(first, first + batch_size)
            enhanced[block] = _whole(generator, images[block], tile=tile, overlap=overlap, device=device)
        return enhanced
    for image, result in zip(images, enhanced, strict=True):
        pieces = strips(generator, image, tile=tile, overlap=overlap, batch_size=batch_size, device=device)
        for top, rows in pieces:
            result[top : top + len(rows)] = rows
    return enhanced


@torch.inference_mode()
def strips(
    generator: nn.Module,
    image: np.ndarray,
    *,
    tile: int = TILE,
    overlap: int = OVERLAP,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Enhance one image from the top down, holding one row of tiles at a time.

    Parameters are those of `enhance`, for one image `(H, W, C)`.

    Yields
    ------
    top : int
        First row, in pixels of the result.
    rows : ndarray, (h, kW, C), of the dtype of `image`
        The next rows; together all kH of them.
    """
    place, k = _place(generator, device), scale_of(generator)
    multiple = multiple_of(generator)
    height, width, channels = image.shape
    down = lay(height, tile=tile, overlap=overlap, multiple=multiple)
    across = lay(width, tile=tile, overlap=overlap, multiple=multiple)
    weights_down, weights_across = down.weights(k), across.weights(k)
    sums = np.zeros((k * down.tile, k * max(width, across.tile), channels), np.float32)
    for i, top in enumerate(down.starts):
        for left, found, weights in _row(generator, image, top, (down, across), weights_across, batch_size, place):
            sums[:, k * left : k * (left + across.tile)] += found * weights_down[i][:, None, None] * weights[:, None]
        last = i + 1 == len(down.starts)
        ready = k * (height - top if last else down.starts[i + 1] - top)
        yield k * top, _as(sums[:ready, : k * width], image.dtype)
        sums = np.concatenate([sums[ready:], np.zeros_like(sums[:ready])])


def _row(
    generator: nn.Module,
    image: np.ndarray,
    top: int,
    axes: tuple[Axis, Axis],
    weights: np.ndarray,
    batch_size: int,
    place: torch.device,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The tiles of one row: where each begins, the network's (k tile, k tile, C) float32, its weights along x."""
    down, across = axes
    for first in range(0, len(across.starts), batch_size):
        starts = across.starts[first : first + batch_size]
        cut = [np.asarray(image[top : top + down.tile, left : left + across.tile]) for left in starts]
        tiles = np.stack([_padded(piece, down.tile, across.tile) for piece in cut])
        found = _run(generator, tiles, place)
        yield from zip(starts, found, weights[first : first + batch_size], strict=True)


@torch.inference_mode()
def _whole(
    generator: nn.Module, images: np.ndarray, *, tile: int, overlap: int, device: torch.device | str | None
) -> np.ndarray:
    """Images that fit a tile, in one batch."""
    k, multiple = scale_of(generator), multiple_of(generator)
    height, width = images.shape[1:3]
    down, across = (lay(side, tile=tile, overlap=overlap, multiple=multiple) for side in (height, width))
    padded = np.stack([_padded(np.asarray(image), down.tile, across.tile) for image in images])
    found = _run(generator, padded, _place(generator, device))
    return _as(found[:, : k * height, : k * width], images.dtype)


def _padded(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image with its last rows and columns mirrored as often as it takes."""
    missing = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    return np.pad(image, missing, mode="symmetric") if missing[0][1] or missing[1][1] else image


def _run(generator: nn.Module, tiles: np.ndarray, place: torch.device) -> np.ndarray:
    """The network on `(n, h, w, C)`; float32 `(n, kh, kw, C)` in [0, 1]."""
    was_training = generator.training
    generator.eval()
    try:
        out: Tensor = generator(_unit(tiles).to(place).contiguous(memory_format=torch.channels_last))
    finally:
        generator.train(was_training)
    return out.float().add_(1.0).mul_(0.5).clamp_(0.0, 1.0).permute(0, 2, 3, 1).cpu().numpy()


def _unit(tiles: np.ndarray) -> Tensor:
    """`(n, h, w, C)` uint8 or in [0, 1] -> `(n, C, h, w)` float32 in [0, 1]."""
    if tiles.dtype == np.uint8:
        return to_unit(torch.from_numpy(tiles))
    return torch.from_numpy(tiles.astype(np.float32)).permute(0, 3, 1, 2)


def _as(unit: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values in [0, 1] as `dtype`, rounded to nearest for uint8."""
    unit = np.clip(unit, 0.0, 1.0)
    return np.rint(unit * 255.0).astype(np.uint8) if dtype == np.uint8 else unit.astype(dtype)


def _place(generator: nn.Module, device: torch.device | str | None) -> torch.device:
    place = torch.device(device) if device is not None else network_device(generator)
    generator.to(place)
    return place


def scale_of(generator: nn.Module) -> int:
    """Return how many times larger than its input the network's output is, along a side."""
    return int(generator.config.scale)  # type: ignore[union-attr, arg-type]


def multiple_of(generator: nn.Module) -> int:
    """What the sides of the network's input must be multiples of."""
    return int(generator.multiple)  # type: ignore[arg-type]
