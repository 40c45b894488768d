"""Images by number: what `eval.distributed.stage` measures block by block."""

from __future__ import annotations

import functools
import os
from typing import Any, Protocol, runtime_checkable

import numpy as np

from eval.catalogue import content_key
from eval.settings import MeasurementSettings


@runtime_checkable
class ImageSource(Protocol):
    """Images by number. Picklable, and the same range always gives the same images.

    Two more attributes are used where there are any: a method `ids(start, stop)` with the names of
    a range, and `key`, a string that changes when the images do, so that a stage that is resumed
    cannot mix the images of two sources.
    """

    def __len__(self) -> int:
        """Number of images."""

    def images(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, H, H, C) uint8 or float."""


class ArraySource:
    """Images held in memory or in a .npy file.

    Parameters
    ----------
    images : ndarray or path-like
        (N, H, H, C). Of a file, or an array that maps one, only the place is sent to the workers, who
        need to see that file; an array in memory goes through Ray's object store once.
    """

    def __init__(self, images: np.ndarray | str | os.PathLike[str]):
        if isinstance(images, np.memmap) and _maps_whole_file(images):
            images = os.fspath(images.filename)  # type: ignore[arg-type]
        self._array: np.ndarray | None = images if isinstance(images, np.ndarray) else None
        self._path = None if isinstance(images, np.ndarray) else os.path.abspath(images)

    def __len__(self) -> int:
        return len(self._opened())

    def images(self, start: int, stop: int) -> np.ndarray:
        """The images of a range, (stop - start, H, H, C)."""
        return self._opened()[start:stop]

    @functools.cached_property
    def key(self) -> str:
        """Place, size and time of the file, or a hash of the pixels."""
        if self._path is not None:
            status = os.stat(self._path)
            return f"{self._path} {status.st_size} {status.st_mtime_ns}"
        return content_key(self._opened(), MeasurementSettings(), "none")

    def _opened(self) -> np.ndarray:
        if self._array is None:
            self._array = np.load(self._path or "", mmap_mode="r", allow_pickle=False)
        return self._array

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": None if self._path is not None else self._array}


def _maps_whole_file(images: np.memmap) -> bool:
    """Whether this is a .npy file as `np.load` maps it, and not a part or a turned view of one."""
    if images.filename is None or not str(images.filename).endswith(".npy"):
        return False
    mapped: Any = images
    while isinstance(mapped.base, np.ndarray):  # a view knows the array that it was taken from
        mapped = mapped.base
    if not isinstance(mapped, np.memmap) or mapped.ctypes.data != images.ctypes.data:
        return False
    whole = np.load(images.filename, mmap_mode="r", allow_pickle=False)
    layouts = [(array.shape, array.dtype, array.strides) for array in (whole, images)]
    return mapped.offset == whole.offset and layouts[0] == layouts[1]
