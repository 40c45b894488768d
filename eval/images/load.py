"""Collections of images as users have them: folders, arrays, HDF5, FITS, galaxy sets.

===================================== ==================================================================
source                                becomes
===================================== ==================================================================
galaxy set (folder, `manifest.json`)  its images of the asked size
folder of generated galaxies          its galaxies, without the contact sheet
folder of .jpg .png .tif ...          (N, H, H, 3) uint8; grey becomes three equal channels
.npy, .npz, .h5, .hdf5, folder of them (N, H, H, C); of several arrays in a file the one named `images`
FITS file, folder of FITS             (N, H, H, C) float32, linear, exactly the values in the file
===================================== ==================================================================

Values. uint8 stays. Floats within [-1, 1] with some below 0 (what a generator returns) become
`round(127.5 (x + 1))`, floats within [0, 1] `round(255 x)`; other numbers, and all of FITS, are
kept as float32 in their own units. Channels may come first or last.

Sizes. An image larger than the asked size is downsampled by nearest neighbour, as the paper
makes its sets; a smaller one is refused, since enlarging adds what no telescope saw.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import first_line
from eval.images.array_files import open_stack, read_fits
from eval.images.arrays import CollectionError, as_stack, spread, to_size

Progress = Callable[[int, int], None]

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
FITS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
ARRAYS = (".npy", ".npz", ".h5", ".hdf5")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
"""Pillow modes of 8 bits per channel."""
MAX_PIXELS = 100_000_000
"""A picture of more pixels is refused unread."""
_BATCH = 256


@dataclass(frozen=True)
class ImageCollection:
    """Images of one size with their names.

    Attributes
    ----------
    source : str
        Where they came from.
    images : ndarray
        (N, H, H, C) uint8 or float32; a read-only memory map where the file allows it.
    ids : list
        N names: file names relative to the folder, or the ids stored with the array, or 0, 1, ...
    skipped : dict of str to str
        Files that could not be used, and why.
    """

    source: str
    images: np.ndarray = field(repr=False)
    ids: list[Any] = field(repr=False)
    skipped: dict[str, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.images)


def load_images(
    source: str | os.PathLike[str] | np.ndarray,
    *,
    size: int | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> ImageCollection:
    """Load a collection of galaxy images.

    Parameters
    ----------
    source : path-like or ndarray
        See the table at the top of this module.
    size : int, optional
        Side of the images in pixels. None: as they are (all alike); the smallest of a galaxy set.
    limit : int, optional
        Take at most this many, spread evenly over the collection.
    progress : callable, optional
        Called with (done, total) as files are read.

    Raises
    ------
    CollectionError
        There is no usable image, or the source is of no known kind.
    """
    if size is not None and size < 4:
        raise CollectionError(f"size = {size} does not work: expected 4 px or more")
    if limit is not None and limit < 1:
        raise CollectionError(f"limit = {limit} does not work: expected 1 or more")
    if isinstance(source, np.ndarray):
        images = as_stack(source, "the array", size, limit)
        return ImageCollection("array", images, spread(range(len(source)), limit))
    path = Path(source)
    with warnings.catch_warnings():
        # astropy warns of a truncated file before it fails to read it, which is told in `skipped`.
        warnings.filterwarnings("ignore", message="File may have been truncated")
        collection = _from_path(path, size, limit, progress)
    if not len(collection):
        raise CollectionError(f"{path} has no usable image{_first_reasons(collection.skipped)}")
    return collection


def _from_path(path: Path, size: int | None, limit: int | None, progress: Progress | None) -> ImageCollection:
    if path.is_dir():
        return _from_folder(path, size, limit, progress)
    if path.is_file():
        return _from_file(path, size, limit, progress)
    raise CollectionError(f"{path} does not exist: expected a folder, an array, HDF5 or FITS file, or a galaxy set")


def _first_reasons(skipped: dict[str, str]) -> str:
    if not skipped:
        return ""
    name, reason = next(iter(skipped.items()))
    return f": {len(skipped)} refused, the first: {name}: {reason}"


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return next((suffix for suffix in (*PICTURES, *FITS, *ARRAYS) if name.endswith(suffix)), path.suffix.lower())


# --- Files and folders ------------------------------------------------------------------------------------------------


def _from_folder(path: Path, size: int | None, limit: int | None, progress: Progress | None) -> ImageCollection:
    kind = _kind_of_folder(path)
    if kind == "galaxy set":
        return _from_galaxy_set(path, size, limit)
    if kind == "npy":
        return _from_file(path / "galaxies.npy", size, limit, progress)
    path = path / kind
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file, path))
    pictures = [file for file in files if _suffix(file) in (*PICTURES, *FITS)]
    if pictures:
        return _from_pictures(path, pictures, size, limit, progress)
    arrays = [file for file in files if _suffix(file) in ARRAYS]
    if not arrays:
        kinds = " ".join((*PICTURES, *FITS, *ARRAYS))
        raise CollectionError(f"{path} has no images among its {len(files)} files: expected {kinds}, or a galaxy set")
    parts: list[np.ndarray] = []
    ids: list[Any] = []
    skipped: dict[str, str] = {}
    for file in arrays:
        try:
            part = _from_file(file, size, None, None)
            if parts and part.images.shape[1:] != parts[0].shape[1:]:
                raise CollectionError(f"images of shape {part.images.shape[1:]}, the first of {parts[0].shape[1:]}")
        except CollectionError as error:
            skipped[str(file.relative_to(path))] = str(error)
            continue
        parts.append(part.images)
        ids += [f"{file.relative_to(path)}[{name}]" for name in part.ids] if len(arrays) > 1 else part.ids
    if not parts:
        return ImageCollection(str(path), np.empty((0, 4, 4, 1)), [], skipped)
    images = parts[0] if len(parts) == 1 else np.concatenate(parts)
    chosen = spread(range(len(images)), limit)
    images = images if len(chosen) == len(images) else images[chosen]
    return ImageCollection(str(path), images, [ids[index] for index in chosen], skipped)


def _kind_of_folder(path: Path) -> str:
    """ "galaxy set", or where in a folder its images are: generated ones lie beside a contact sheet of them."""
    file = path / "manifest.json"
    if not file.is_file():
        return ""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "galaxy set"  # which says what is wrong with it
    if not isinstance(manifest, dict) or {"format", "version", "arrays"} & set(manifest):
        return "galaxy set"
    request = manifest.get("request")
    form = request.get("format") if isinstance(request, dict) else None
    return form if form in ("png", "npy", "npz", "fits") else ""


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _from_galaxy_set(path: Path, size: int | None, limit: int | None) -> ImageCollection:
    from gan.data import DataError, GalaxySet

    try:
        galaxies = GalaxySet.open(path)
        images, index = galaxies.images(size or min(galaxies.sizes)), galaxies.index
    except DataError as error:
        raise CollectionError(str(error)) from None
    ids = index["id"].tolist() if "id" in index else list(range(len(images)))
    chosen = spread(range(len(images)), limit)
    if len(chosen) < len(images):
        images, ids = images[chosen], [ids[row] for row in chosen]
    return ImageCollection(str(path), images, ids)


def _from_file(path: Path, size: int | None, limit: int | None, progress: Progress | None) -> ImageCollection:
    suffix = _suffix(path)
    if suffix in FITS:
        cubes = read_fits(path)
        images = as_stack(cubes, str(path), size, limit, linear=True)
        return ImageCollection(str(path), images, spread(range(len(cubes)), limit))
    if suffix in PICTURES:
        return _from_pictures(path.parent, [path], size, limit, progress)
    if suffix not in ARRAYS:
        raise CollectionError(f"{path} is of no known kind: expected {' '.join((*ARRAYS, *FITS))}, or a folder")
    array, ids, close = open_stack(path, suffix)
    try:
        images = as_stack(array, str(path), size, limit)
        names = spread(ids or range(len(array)), limit)
    finally:
        close()
    return ImageCollection(str(path), images, names)


# --- Pictures ---------------------------------------------------------------------------------------------------------


def _from_pictures(
    root: Path, files: list[Path], size: int | None, limit: int | None, progress: Progress | None
) -> ImageCollection:
    files = spread(files, limit)
    images: list[np.ndarray] = []
    ids, skipped = [], {}
    shape: tuple[int, ...] | None = None
    for done, (file, image) in enumerate(_read_all(files, size), 1):
        name = file.relative_to(root).as_posix()
        if isinstance(image, str):
            skipped[name] = image
        elif shape is not None and (image.shape, image.dtype) != (images[0].shape, images[0].dtype):
            skipped[name] = f"{image.shape} {image.dtype}, the first one is {shape} {images[0].dtype}"
        else:
            shape = image.shape
            images.append(image)
            ids.append(name)
        if progress is not None:
            progress(done, len(files))
    return ImageCollection(str(root), np.stack(images) if images else np.empty((0, 4, 4, 3)), ids, skipped)


def _read_all(files: list[Path], size: int | None) -> Iterator[tuple[Path, np.ndarray | str]]:
    """Each file with its image, or with the reason why there is none."""
    from eval.measure import cpus

    def read(file: Path) -> np.ndarray | str:
        try:
            if _suffix(file) in FITS:
                return as_stack(read_fits(file), file.name, size, None, linear=True)[0]
            return _read_picture(file, size)
        except CollectionError as error:
            return str(error)

    with ThreadPoolExecutor(cpus()) as pool:
        # Batches, so that an interrupt waits for one batch and not for the whole folder.
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            yield from zip(batch, pool.map(read, batch), strict=True)


def _read_picture(file: Path, size: int | None) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise CollectionError(f"{width}x{height} px, more than {MAX_PIXELS:,} pixels")
            if picture.mode not in MODES:
                raise CollectionError(f"mode {picture.mode}: expected 8 bits per channel")
            if width != height:
                raise CollectionError(f"{width}x{height} px: expected a square")
            pixels = np.asarray(picture.convert("RGB"))
    except CollectionError:
        raise
    except Exception as error:  # noqa: BLE001  (decoders raise OSError, SyntaxError, struct.error and more)
        raise CollectionError(first_line(error)) from None
    return to_size(pixels[None], size, "it")[0]
