"""A stack of images brought to one layout, size and range of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from common.rows import evenly_spaced

MAX_CHANNELS = 16
_BATCH = 256
_ROUNDING = 1e-3
"""What a float image may exceed [-1, 1] or [0, 1] by and still be taken for one."""


class CollectionError(ValueError):
    """A source of images cannot be used; the message says which, why, and what would be accepted."""


def spread(items: Sequence[Any], limit: int | None) -> list[Any]:
    """At most `limit` items, evenly spaced, in order."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[int(index)] for index in evenly_spaced(len(items), limit)]


def to_size(stack: np.ndarray, size: int | None, name: str) -> np.ndarray:
    """Downsample (N, H, H, C) by nearest neighbour, taking the same pixels as Pillow does."""
    side = stack.shape[1]
    if size is None or size == side:
        return stack
    if size > side:
        raise CollectionError(f"{name} has {side} px, smaller than the asked {size} px")
    from PIL import Image

    columns = Image.fromarray(np.arange(side, dtype=np.int32)[None]).resize((size, 1), Image.Resampling.NEAREST)
    index = np.asarray(columns)[0]
    return stack[:, index[:, None], index]


def as_stack(array: Any, name: str, size: int | None, limit: int | None, *, linear: bool = False) -> np.ndarray:
    """Images from any stack of numbers that can be sliced.

    Parameters
    ----------
    array : ndarray or h5py dataset
        (N, H, H), (N, H, H, C) or (N, C, H, H), C at most 16, whole or real numbers.
    name : str
        What messages call it.
    size : int, optional
        Side to downsample to.
    limit : int, optional
        Take this many at most, evenly spaced.
    linear : bool
        Keep the values as float32, whatever their range.

    Returns
    -------
    ndarray
        (n, H, H, C) uint8 or float32 (`eval.images.load` says when); the array itself, so a
        memory map too, where nothing has to be changed.

    Raises
    ------
    CollectionError
        Shape, type or size cannot be used.
    """
    shape, kind = tuple(array.shape), np.dtype(array.dtype).kind
    if kind not in "uif":
        raise CollectionError(f"{name} holds {array.dtype}: expected whole or real numbers")
    channels_first = len(shape) == 4 and shape[1] <= MAX_CHANNELS and shape[2] == shape[3] and shape[3] > MAX_CHANNELS
    height, width = shape[2:4] if channels_first else shape[1:3] if len(shape) in (3, 4) else (0, 1)
    if height != width or 0 in shape or (len(shape) == 4 and not channels_first and shape[3] > MAX_CHANNELS):
        layouts = f"(N, H, H), (N, H, H, C) or (N, C, H, H), C <= {MAX_CHANNELS}"
        raise CollectionError(f"{name} has shape {shape}: expected square images, {layouts}")
    rows = spread(range(shape[0]), limit)
    unchanged = array.dtype == np.uint8 and not channels_first and size in (None, height)
    if unchanged and isinstance(array, np.ndarray) and len(rows) == len(array):
        return array if array.ndim == 4 else array[..., None]

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            together = batch[-1] - batch[0] + 1 == len(batch)
            stack = np.asarray(array[batch[0] : batch[-1] + 1] if together else array[batch])
            stack = stack if stack.ndim == 4 else stack[..., None]
            yield to_size(np.moveaxis(stack, 1, -1) if channels_first else stack, size, name)

    if array.dtype == np.uint8:
        return np.concatenate(list(batches()))
    if linear:
        return np.concatenate([stack.astype(np.float32) for stack in batches()])
    return _in_display_units(batches, whole=kind in "ui")


def _in_display_units(batches: Callable[[], Iterator[np.ndarray]], *, whole: bool) -> np.ndarray:
    """Numbers to 0..255 as `eval.images.load` says; two passes, one batch at a time in memory."""
    low, high, finite = np.inf, -np.inf, True
    for stack in batches():
        good = stack[np.isfinite(stack)]
        finite &= good.size == stack.size
        if good.size:
            low, high = min(low, float(good.min())), max(high, float(good.max()))
    if whole and low >= 0 and high <= 255:
        return np.concatenate([stack.astype(np.uint8) for stack in batches()])
    if whole or low < -1 - _ROUNDING or high > 1 + _ROUNDING:
        return np.concatenate([stack.astype(np.float32) for stack in batches()])
    zero, unit = (1.0, 127.5) if low < 0 else (0.0, 255.0)
    kind = np.uint8 if finite else np.float32

    def shown(stack: np.ndarray) -> np.ndarray:
        return np.clip(np.rint((stack.astype(np.float32) + zero) * unit), 0, 255).astype(kind)

    return np.concatenate([shown(stack) for stack in batches()])
