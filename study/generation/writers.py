"""Files of generated galaxies: PNG, npy, npz and FITS, each block whole or not at all.

A block is a run of consecutive galaxies. Writing a block again writes the same bytes, so a generation that was
cut short in the middle of one simply repeats it.

======  ==================================================================================================
format  files
======  ==================================================================================================
png     `png/000012/galaxy-000012345.png`, 1,000 to a folder
npy     `galaxies.npy`, one (N, H, W, C) uint8 array; `np.load(..., mmap_mode="r")` reads any part of it
npz     `npz/galaxies-000012.npz` with `images` (n, H, W, C) uint8 and `ids` (n,), compressed
fits    `fits/galaxies-000012.fits`: (n, bands, H, W) uint8, rows from the bottom up as FITS has them, and
        the measured properties of these galaxies as a table in the same file
======  ==================================================================================================
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from common.atomic import atomically
from eval.properties import unit_of
from study.config.errors import InputError

FORMATS = ("png", "npy", "npz", "fits")
PER_FOLDER = 1000
BLOCK_BYTES = 64 << 20


def block_size(image_bytes: int) -> int:
    """Galaxies per block and shard: 1,000, or the fewer that keep a block below 64 MiB."""
    return next((n for n in (1000, 500, 250, 125, 50) if n * image_bytes <= BLOCK_BYTES), 25)


class Writer(Protocol):
    """Writes blocks of galaxies into a folder."""

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write galaxies `start` to `start + len(images)`, (n, H, W, C) uint8."""

    def has(self, block: int) -> bool:
        """Whether the files of a block that was written are still there."""


def make_writer(kind: str, folder: Path, *, count: int, shape: tuple[int, int, int], facts: dict[str, Any]) -> Writer:
    """The writer of a format.

    Parameters
    ----------
    kind : str
        One of `FORMATS`.
    folder : Path
        Where the generation goes.
    count : int
        Galaxies in all.
    shape : (H, W, C)
        Of one galaxy.
    facts : dict
        Provenance for FITS headers: `model`, `model_sha256`, `enlarge`, `seed`, `augment`, `software`.

    Raises
    ------
    InputError
        The format cannot hold such images.
    """
    if kind == "png":
        return PngWriter(folder / "png", count, shape)
    if kind == "npy":
        return NpyWriter(folder / "galaxies.npy", (count, *shape))
    if kind == "npz":
        return NpzWriter(folder / "npz")
    return FitsWriter(folder / "fits", facts)


class PngWriter:
    """One file per galaxy, numbered folders of 1,000."""

    def __init__(self, folder: Path, count: int, shape: tuple[int, int, int]):
        if shape[2] not in (1, 3):
            raise InputError(f"--format png: holds 1 or 3 bands and the galaxies have {shape[2]}; use npy, npz or fits")
        self.folder, self.count, self.per_block = folder, count, block_size(int(np.prod(shape)))

    def path(self, index: int) -> Path:
        """File of a galaxy."""
        return self.folder / f"{index // PER_FOLDER:06d}" / f"galaxy-{index:09d}.png"

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write each galaxy under its number."""
        from PIL import Image

        for index, pixels in enumerate(images, start):
            path = self.path(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
            atomically(path, functools.partial(image.save, format="PNG"))

    def has(self, block: int) -> bool:
        """Whether every galaxy of the block is there."""
        start = block * self.per_block
        stop = min(start + self.per_block, self.count)
        folders = {self.path(index).parent for index in (start, stop - 1)}
        there = {name for folder in folders if folder.is_dir() for name in os.listdir(folder)}
        return all(self.path(index).name in there for index in range(start, stop))


class NpyWriter:
    """One array, laid out in full before the first block; blocks are written at their place in it."""

    def __init__(self, path: Path, shape: tuple[int, ...]):
        self.path, self.shape = path, shape
        self.bytes_each = int(np.prod(shape[1:]))
        self.offset = 0

    def _lay_out(self) -> None:
        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.truncate(file.tell() + self.shape[0] * self.bytes_each)

        atomically(self.path, write)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _ready(self) -> bool:
        """Whether the array is there in full length; finds where its numbers begin."""
        body = self.shape[0] * self.bytes_each
        if self._size() <= body:
            return False
        with open(self.path, "rb") as file:
            try:
                np.lib.format.read_magic(file)
                found, _, kind = np.lib.format.read_array_header_1_0(file)
            except ValueError:
                return False
            self.offset = file.tell()
        return found == self.shape and kind == np.uint8 and self._size() == self.offset + body

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write a block at its place."""
        if not self.offset and not self._ready():
            self._lay_out()
            self._ready()
        with open(self.path, "r+b") as file:
            file.seek(self.offset + start * self.bytes_each)
            file.write(np.ascontiguousarray(images).data)
            file.flush()
            os.fsync(file.fileno())

    def has(self, block: int) -> bool:
        """Whether the array is there."""
        return bool(self.offset) or self._ready()


class _ShardWriter:
    """One file per block."""

    suffix = ""

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, block: int) -> Path:
        """File of a block."""
        return self.folder / f"galaxies-{block:06d}{self.suffix}"

    def has(self, block: int) -> bool:
        """Whether the file is there."""
        return self.path(block).exists()

    def _replace(self, block: int, write: Callable[[Any], None]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

        def into(partial: Path) -> None:
            with open(partial, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())

        atomically(self.path(block), into)


class NpzWriter(_ShardWriter):
    """Compressed archives of one block each."""

    suffix = ".npz"

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the archive of a block."""
        ids = np.arange(start, start + len(images))
        self._replace(block, lambda file: np.savez_compressed(file, images=images, ids=ids))


class FitsWriter(_ShardWriter):
    """Image cubes of one block each, with their provenance and their catalogue."""

    suffix = ".fits"

    def __init__(self, folder: Path, facts: dict[str, Any]):
        super().__init__(folder)
        self.facts = facts

    def write(self, block: int, start: int, images: np.ndarray, catalogue: pd.DataFrame | None) -> None:
        """Write the FITS file of a block."""
        from astropy.io import fits

        planes = np.ascontiguousarray(np.moveaxis(images, -1, 1)[:, :, ::-1])
        image = fits.PrimaryHDU(planes, header=self._header(start, len(images)))
        hdus = fits.HDUList([image] if catalogue is None else [image, _table(catalogue)])
        for hdu in hdus:
            hdu.add_checksum(when="of this HDU")  # astropy's default note is the time, and files must repeat
        self._replace(block, hdus.writeto)

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

    columns = {
        name: catalogue[name].to_numpy().astype(str) if catalogue[name].dtype == object else catalogue[name].to_numpy()
        for name in catalogue
    }
    table = Table(columns)
    for name in table.colnames:
        table[name].unit = unit_of(name) or None
    measured = catalogue.attrs.get("measurement", {})
    hdu = fits.table_to_hdu(table)
    hdu.name = "CATALOGUE"
    hdu.header["ENGINE"] = (str(measured.get("engine", "")), "that measured these galaxies")
    hdu.header["FRAME"] = (int(measured.get("frame_size", 0)), "[pix] side of the frame measured in")
    return hdu
