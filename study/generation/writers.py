"""Files of generated galaxies: PNG, npy, npz and FITS, each block whole or not at all.

A block is a run of consecutive galaxies. Writing a block again writes the same bytes, so a generation that was
cut short in the middle of one simply repeats it. A format is a class with `@register` above it: the options of the
command and their help are made from `FORMATS`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from common.atomic import atomic_path
from common.errors import InputError
from eval.properties import unit_of

PER_FOLDER = 1000
BLOCK_BYTES = 64 << 20


def block_size(image_bytes: int) -> int:
    """Return the galaxies of a block: 1,000, or the fewer that keep a block below 64 MiB."""
    return next((n for n in (1000, 500, 250, 125, 50) if n * image_bytes <= BLOCK_BYTES), 25)


class Writer(ABC):
    """Writes blocks of galaxies into a folder.

    Parameters
    ----------
    folder : Path
        Where the generation goes.
    count : int
        Galaxies in all.
    shape : (H, W, C)
        Of one galaxy.
    facts : dict
        Where the galaxies come from, for headers: `model`, `model_sha256`, `enlarge`, `seed`, `augment`, `software`.

    Attributes
    ----------
    name : str
        Of the format, as `--format` takes it.
    suffix : str
        Of its files.
    place : str
        File or folder below `folder` that holds the galaxies.
    help : str
        The format in some words.
    share : float
        Bytes on the disk per byte of pixels; low for compressed formats, so that only what cannot fit is refused.

    Raises
    ------
    InputError
        The format cannot hold such images.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    place: ClassVar[str]
    help: ClassVar[str]
    share: ClassVar[float] = 1.0

    def __init__(self, folder: Path, *, count: int, shape: tuple[int, int, int], facts: dict[str, Any]):
        self.path, self.count, self.shape, self.facts = folder / self.place, count, shape, facts

    @abstractmethod
    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write galaxies `start` to `start + len(images)`, (n, H, W, C) uint8, and their properties if measured."""

    @abstractmethod
    def has(self, block: int) -> bool:
        """Return whether the files of a block that was written are still there."""


FORMATS: dict[str, type[Writer]] = {}
"""Every format by its name."""


def register(writer: type[Writer]) -> type[Writer]:
    """Offer a format; used as a decorator."""
    FORMATS[writer.name] = writer
    return writer


def write_png(path: Path, image: np.ndarray) -> None:
    """Write a (H, W, 3) or (H, W, 1) uint8 image as PNG, whole or not at all."""
    from PIL import Image

    pixels = np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)
    with atomic_path(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


@register
class PngWriter(Writer):
    """`png/000012/galaxy-000012345.png`, one file per galaxy, 1,000 to a folder."""

    name, suffix, place, share = "png", ".png", "png", 0.3
    help = "a picture of each galaxy"

    def __init__(self, folder: Path, *, count: int, shape: tuple[int, int, int], facts: dict[str, Any]):
        super().__init__(folder, count=count, shape=shape, facts=facts)
        if shape[2] not in (1, 3):
            raise InputError(f"--format png: holds 1 or 3 bands and the galaxies have {shape[2]}; use npy, npz or fits")
        self.per_block = block_size(int(np.prod(shape)))

    def file(self, index: int) -> Path:
        """Return the file of a galaxy."""
        return self.path / f"{index // PER_FOLDER:06d}" / f"galaxy-{index:09d}{self.suffix}"

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write each galaxy under its number."""
        for index, pixels in enumerate(images, start):
            self.file(index).parent.mkdir(parents=True, exist_ok=True)
            write_png(self.file(index), pixels)

    def has(self, block: int) -> bool:
        """Return whether every galaxy of the block is there."""
        start = block * self.per_block
        stop = min(start + self.per_block, self.count)
        folders = {self.file(index).parent for index in (start, stop - 1)}
        there = {name for folder in folders if folder.is_dir() for name in os.listdir(folder)}
        return all(self.file(index).name in there for index in range(start, stop))


@register
class NpyWriter(Writer):
    """`galaxies.npy`, one (N, H, W, C) uint8 array; `np.load(..., mmap_mode="r")` reads any part of it.

    The array is laid out in full before the first block; blocks are written at their place in it.
    """

    name, suffix, place = "npy", ".npy", "galaxies.npy"
    help = "one array of all"
    offset: int | None = None

    def find(self) -> int | None:
        """Return where the numbers begin in the file, in bytes; None: the array is not there in full length."""
        if self.offset is None:
            try:
                array = np.lib.format.open_memmap(self.path, mode="r")
            except (OSError, ValueError):
                return None
            if array.shape == (self.count, *self.shape) and array.dtype == np.uint8:
                self.offset = array.offset
        return self.offset

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write a block at its place: as bytes of the file, since a memory map ends the process on a full disk."""
        if self.find() is None:
            with atomic_path(self.path) as partial:
                np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(self.count, *self.shape))
        with open(self.path, "r+b") as file:
            file.seek((self.find() or 0) + start * int(np.prod(self.shape)))
            file.write(np.ascontiguousarray(images).data)
            file.flush()
            os.fsync(file.fileno())

    def has(self, block: int) -> bool:
        """Return whether the array is there."""
        return self.find() is not None


class ShardWriter(Writer):
    """One file per block."""

    def file(self, block: int) -> Path:
        """Return the file of a block."""
        return self.path / f"galaxies-{block:06d}{self.suffix}"

    def has(self, block: int) -> bool:
        """Return whether the file is there."""
        return self.file(block).exists()

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the file of a block."""
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.file(block), sync=True) as partial:
            self.write_file(partial, start, images, catalogue)

    @abstractmethod
    def write_file(self, path: Path, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the galaxies of a block to `path`."""


@register
class NpzWriter(ShardWriter):
    """`npz/galaxies-000012.npz` with `images` (n, H, W, C) uint8 and `ids` (n,), compressed."""

    name, suffix, place, share = "npz", ".npz", "npz", 0.3
    help = "compressed arrays of 1,000"

    def write_file(self, path: Path, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the archive of a block."""
        np.savez_compressed(path, images=images, ids=np.arange(start, start + len(images)))


@register
class FitsWriter(ShardWriter):
    """`fits/galaxies-000012.fits`: (n, bands, H, W) uint8, rows from the bottom up as FITS has them.

    The measured properties of these galaxies are a table in the same file.
    """

    name, suffix, place = "fits", ".fits", "fits"
    help = "cubes of 1,000 with their catalogue"

    def write_file(self, path: Path, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the FITS file of a block."""
        from astropy.io import fits

        planes = np.ascontiguousarray(np.moveaxis(images, -1, 1)[:, :, ::-1])
        image = fits.PrimaryHDU(planes, header=self._header(start, len(images)))
        hdus = fits.HDUList([image] if catalogue is None else [image, _table(catalogue)])
        for hdu in hdus:
            hdu.add_checksum(when="of this HDU")  # astropy's default note is the time, and files must repeat
        hdus.writeto(path)

    def _header(self, start: int, count: int) -> Any:
        from astropy.io import fits

        facts = self.facts
        header = fits.Header()
        header["BUNIT"] = ("adu", "0 to 255")
        header["ORIGIN"] = (facts["software"], "artificial")
        header["MODEL"] = (_ascii(facts["model"]), "generator; MODELSHA is its SHA-256")
        header["MODELSHA"] = facts["model_sha256"]
        if facts.get("enlarge"):
            header["ENLARGE"] = (_ascii(facts["enlarge"]), "enlarger; ENLARSHA is its SHA-256")
            header["ENLARSHA"] = facts["enlarge_sha256"]
        header["SEED"] = (facts["seed"], "galaxy i depends on SEED and i only")
        header["AUGMENT"] = (facts["augment"], "random flips and turns")
        header["FIRSTGAL"] = (start, "number of the first galaxy")
        header["NGALAXY"] = (count, "galaxies in this file")
        header["COMMENT"] = "Axes: column, row (from the bottom up), band, galaxy."
        header["COMMENT"] = "Angles in the catalogue: degrees from +x towards +y of these pixels."
        return header


def _ascii(name: str) -> str:
    """What a FITS card can hold of a file's name."""
    return name.encode("ascii", "replace").decode()[-30:]


def _table(catalogue: pd.DataFrame) -> Any:
    from astropy.io import fits
    from astropy.table import Table

    columns = {name: catalogue[name].to_numpy() for name in catalogue}
    table = Table({name: values.astype(str) if values.dtype == object else values for name, values in columns.items()})
    for name in table.colnames:
        table[name].unit = unit_of(name) or None
    measured = catalogue.attrs.get("measurement", {})
    hdu = fits.table_to_hdu(table)
    hdu.name = "CATALOGUE"
    hdu.header["ENGINE"] = (str(measured.get("engine", "")), "that measured these galaxies")
    hdu.header["FRAME"] = (int(measured.get("frame_size", 0)), "[pix] side of the frame measured in")
    return hdu
