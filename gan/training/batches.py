"""Training images, resident as uint8, drawn in random order and flipped on the device.

Shapes: n images, B images per global batch, b = B / workers on this worker, side S, C channels.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from common.errors import FieldError, require

Images = np.ndarray | Mapping[int, np.ndarray]
Key = TypeVar("Key", bound=Hashable)

RESIDENT_SHARE = 0.5  # of the free memory of the accelerator


def by_side(images: Images) -> dict[int, np.ndarray]:
    """Check arrays of training images and key them by their side.

    Parameters
    ----------
    images : ndarray, (n, S, S, C) uint8, or mapping of S to such arrays
        One size, or paired sizes of the same n galaxies in the same order.

    Returns
    -------
    dict of int to ndarray
        The arrays by S.

    Raises
    ------
    ValueError
        There are no images, a shape or dtype is not that, or the sizes do not pair.
    """
    arrays = dict(images) if isinstance(images, Mapping) else {images.shape[1] if images.ndim == 4 else 0: images}
    require(len(arrays) > 0, "images", "none", "one array or more")
    for side, array in arrays.items():
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:3] != (side, side) or 0 in array.shape:
            raise ValueError(f"training images have shape {array.shape} {array.dtype}: expected (n, S, S, C) uint8")
    if len({len(array) for array in arrays.values()}) > 1:
        counts = ", ".join(f"{len(array)} of {side} px" for side, array in arrays.items())
        raise ValueError(f"paired training images differ in number: {counts}")
    return arrays


def fits(images: Mapping[Key, np.ndarray], device: torch.device) -> bool:
    """Return whether images may live on a device: on a GPU they may take half of the memory that is free now.

    Parameters
    ----------
    images : mapping of key to ndarray
        uint8.
    device : torch.device
        False for all but GPUs.
    """
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(array.nbytes for array in images.values()) <= RESIDENT_SHARE * free


def to_signed(images: Tensor) -> Tensor:
    """Turn 8-bit images into numbers in [-1, 1].

    Parameters
    ----------
    images : Tensor, (N, S, S, C) uint8
        On any device.

    Returns
    -------
    Tensor, (N, C, S, S) float32
        Channels last in memory.
    """
    return images.permute(0, 3, 1, 2).float().mul_(2.0 / 255.0).sub_(1.0)


def to_unit(images: Tensor) -> Tensor:
    """Turn 8-bit images into numbers in [0, 1].

    Parameters
    ----------
    images : Tensor, (N, S, S, C) uint8
        On any device.

    Returns
    -------
    Tensor, (N, C, S, S) float32
        Channels last in memory.
    """
    return images.permute(0, 3, 1, 2).float().mul_(1.0 / 255.0)


def flip(images: Tensor, horizontally: Tensor, vertically: Tensor) -> Tensor:
    """Mirror the images `(N, S, S, C)` for which the boolean `(N,)` says so, left-right and then up-down.

    Raises
    ------
    FieldError
        There is not one boolean for each image.
    """
    _one_each(images, horizontally, "horizontally")
    _one_each(images, vertically, "vertically")
    if images.device.type == "cpu":
        images = images.clone()
        for mirrored, axis in ((horizontally, 2), (vertically, 1)):
            rows = mirrored.nonzero()[:, 0]
            images[rows] = images[rows].flip(axis)
        return images
    images = torch.where(horizontally.view(-1, 1, 1, 1), images.flip(2), images)
    return torch.where(vertically.view(-1, 1, 1, 1), images.flip(1), images)


def transpose(images: Tensor, chosen: Tensor) -> Tensor:
    """Swap rows and columns of the images `(N, S, S, C)` for which the boolean `(N,)` says so.

    Raises
    ------
    FieldError
        There is not one boolean for each image.
    """
    _one_each(images, chosen, "chosen")
    return torch.where(chosen.view(-1, 1, 1, 1), images.transpose(1, 2), images)


def _one_each(images: Tensor, chosen: Tensor, name: str) -> None:
    if chosen.shape != images.shape[:1] or chosen.dtype is not torch.bool:
        raise FieldError(name, f"{tuple(chosen.shape)} {chosen.dtype}", f"({len(images)},) torch.bool")


class Batches(Generic[Key]):
    """Every epoch, all images once in a new random order, in global batches of `batch_size`.

    An epoch has `n // batch_size` steps: the images left over, fewer than a batch, sit that epoch out
    (each epoch others), so that every step sees the same number of images. Paired arrays share order, flips and turns.
    With several workers all draw the same order and orientations; worker `rank` takes its share of each global batch.

    Parameters
    ----------
    images : mapping of key to ndarray, (n, S, S, C) uint8
        Arrays of the same n galaxies, such as `by_side` returns. On a GPU they are copied there once when they fit
        (`fits`); otherwise, and on the CPU, the arrays are used where they are (a memory map stays one) and only
        batches are copied.
    batch_size : int
        B, over all workers.
    flips : bool
        Mirror each image with probability 0.5, horizontally and vertically.
    turns : bool
        Swap rows and columns with probability 0.5 as well: with `flips`, all eight orientations are equally likely.
    order, flip_stream : torch.Generator
        CPU streams of the order and of the orientations.
    rank, size : int
        Number of this worker, from 0, and of all.

    Raises
    ------
    FieldError
        The arrays differ in number, the batch size is not from 1 to n or no multiple of `size`, or there is no worker
        `rank`.
    """

    def __init__(
        self,
        images: Mapping[Key, np.ndarray],
        batch_size: int,
        *,
        device: torch.device,
        flips: bool,
        turns: bool = False,
        order: torch.Generator,
        flip_stream: torch.Generator,
        rank: int = 0,
        size: int = 1,
    ):
        counts = {len(array) for array in images.values()}
        require(len(counts) == 1, "images", sorted(counts), "arrays of one number of images")
        (self.n,) = counts
        require(size >= 1 and 0 <= rank < size, "rank", rank, f"from 0 to below the number of workers, {size}")
        require(
            1 <= batch_size <= self.n, "batch_size", batch_size, f"1 to at most the number of training images, {self.n}"
        )
        require(batch_size % size == 0, "batch_size", batch_size, f"a multiple of the number of workers, {size}")
        self.batch_size, self.device, self.flips, self.turns = batch_size, device, flips, turns
        self._order, self._flip_stream, self._rank, self._size = order, flip_stream, rank, size
        self.resident = fits(images, device)
        self._arrays = dict(images)
        self._tensors = (
            {key: torch.tensor(array, device=device) for key, array in images.items()} if self.resident else {}
        )

    def __len__(self) -> int:
        return self.n // self.batch_size

    def epoch(self) -> Iterator[dict[Key, Tensor]]:
        """Yield this worker's share of each global batch: `{key: (b, S, S, C) uint8}` on the device."""
        steps, share = len(self), self.batch_size // self._size
        drawn = steps * self.batch_size
        order = torch.randperm(self.n, generator=self._order)[:drawn]
        mirrored = torch.rand(2, drawn, generator=self._flip_stream) < 0.5
        turned = torch.rand(drawn, generator=self._flip_stream) < 0.5 if self.turns else None
        if self.resident:
            order = order.to(self.device)
        mirrored, turned = mirrored.to(self.device), None if turned is None else turned.to(self.device)
        for step in range(steps):
            begin = step * self.batch_size + self._rank * share
            chosen = slice(begin, begin + share)
            yield {
                key: self._take(key, order[chosen], mirrored[:, chosen], None if turned is None else turned[chosen])
                for key in self._arrays
            }

    def first(self, key: Key, n: int) -> Tensor:
        """Return the first `n` images of array `key`, or all: `(n, S, S, C)` uint8 on the device, as they are."""
        require(n >= 1, "n", n, "1 or more images")
        return torch.from_numpy(np.array(self._arrays[key][:n])).to(self.device)

    def _take(self, key: Key, rows: Tensor, mirrored: Tensor, turned: Tensor | None) -> Tensor:
        if self.resident:
            batch = self._tensors[key].index_select(0, rows)
        else:
            batch = torch.from_numpy(self._arrays[key][rows.numpy()])
            if self.device.type == "cuda":
                batch = batch.pin_memory().to(self.device, non_blocking=True)
        if self.flips:
            batch = flip(batch, mirrored[0], mirrored[1])
        return batch if turned is None else transpose(batch, turned)
