"""Files that hold stacks of images: npy, npz, HDF5, FITS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common.fits_images import FitsError, open_image
from eval.images.arrays import MAX_CHANNELS, CollectionError


def open_stack(path: Path, suffix: str) -> tuple[Any, list[Any] | None, Callable[[], None]]:
    """Open the stack of images in a .npy, .npz, .h5 or .hdf5 file without reading its pixels where possible.

    Returns
    -------
    array : ndarray or h5py dataset
        As it is in the file; a read-only memory map for .npy.
    ids : list or None
        What the file holds under `ids` or `id`.
    close : callable
        To be called when the array is not needed any more.

    Raises
    ------
    CollectionError
        The file is damaged, or which of its arrays are the images is not plain.
    """
    readers = {".npy": _read_npy, ".npz": _read_npz, ".h5": _read_hdf5, ".hdf5": _read_hdf5}
    array, ids, close = readers[suffix](path)
    if ids is None:
        return array, None, close
    names = [_text(name) for name in ids]
    if len(names) != len(array):
        close()
        raise CollectionError(f"{path} has {len(names)} ids for {len(array)} images: expected one each")
    return array, names, close


def _text(name: Any) -> Any:
    return name.decode(errors="replace") if isinstance(name, bytes) else getattr(name, "item", lambda: name)()


def _read_npy(path: Path) -> tuple[np.ndarray, None, Callable[[], None]]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False), None, _nothing
    except (ValueError, OSError, EOFError) as error:
        raise CollectionError(f"{path} is no readable array of numbers: {error}") from None


def _read_npz(path: Path) -> tuple[np.ndarray, Any, Callable[[], None]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            shapes = {name: archive[name].shape for name in archive.files if name != "images"}
            name = "images" if "images" in archive.files else _only_stack(shapes, path)
            ids = next((archive[key] for key in ("ids", "id") if key in archive.files), None)
            return archive[name], ids, _nothing
    except CollectionError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy each have errors of their own
        raise CollectionError(f"{path} is no readable archive of arrays: {error}") from None


def _read_hdf5(path: Path) -> tuple[Any, Any, Callable[[], None]]:
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise CollectionError(f"{path} is no readable HDF5 file: {error}") from None
    datasets: dict[str, Any] = {}
    file.visititems(lambda name, item: datasets.update({name: item}) if isinstance(item, h5py.Dataset) else None)
    try:
        name = "images" if "images" in datasets else _only_stack({k: v.shape for k, v in datasets.items()}, path)
    except CollectionError:
        file.close()
        raise
    ids = next((datasets[key][:] for key in ("ids", "id") if key in datasets), None)
    return datasets[name], ids, file.close


def _nothing() -> None:
    return None


def _only_stack(shapes: dict[str, tuple[int, ...]], path: Path) -> str:
    """Name of the only array that can be a stack of images."""
    stacks = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(stacks) != 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
        raise CollectionError(f"{path} holds {found}: expected an array named 'images', or only one of 3 or 4 axes")
    return stacks[0]


def read_fits(path: Path) -> np.ndarray:
    """Read the first image of a FITS file; planes of a cube are bands.

    Returns
    -------
    ndarray, (N, H, W, C) float32
        In the unit of the file. FITS counts rows from the bottom; the first row here is the top one, as in every other
        image.

    Raises
    ------
    CollectionError
        The file is damaged, or holds no image of 2 to 4 axes.
    """
    try:
        with open_image(path) as image:
            _check_shape(path, image.shape)
            data = image.read(np.float32)
    except FitsError as error:
        if error.reason == "no-image":
            _check_shape(path, ())
        raise CollectionError(f"{path} is no readable FITS file: {error}") from None
    data = data.reshape((1,) * (4 - data.ndim) + data.shape)
    return np.ascontiguousarray(np.moveaxis(data, 1, -1)[:, ::-1])


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    if not 2 <= len(shape) <= 4 or 0 in shape:
        raise CollectionError(f"{path} has no image: expected one of 2 to 4 axes, (H, W), (C, H, W) or (N, C, H, W)")
    if len(shape) == 3 and shape[0] > MAX_CHANNELS:
        raise CollectionError(f"{path} has {shape[0]} planes: expected at most {MAX_CHANNELS} bands of one galaxy")
