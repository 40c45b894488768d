"""Work that `gan.prepare` has done: rows of pixels on disk, and parts that say which image is in which row.

Each task has rows of its own in one file per size. Its pixels are written first, then its part, a small file that
appears whole or not at all. Whatever kills the program, what a part names is there, and is not done again. If nothing
was refused the rows are the arrays of the finished set already.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.atomic import write_json
from gan.data import image_hash
from gan.images.sources import Entry

HEADER = 128  # bytes left free at the start of a file of rows, for the header of an .npy file
FORMAT = 1


@dataclass
class Result:
    """What became of one entry.

    Attributes
    ----------
    name, stamp : str
        Of the entry.
    reason, detail : str
        Why it was refused; "" for an image.
    sha256 : str
        Of the bytes read.
    hashes : list of str
        SHA-256 of the prepared pixels, for each array.
    width, height, bad_pixels : int
        Of the original.
    about : str
        Further columns of the index, as a JSON object; "" for none.
    """

    name: str
    stamp: str
    reason: str = ""
    detail: str = ""
    sha256: str = ""
    hashes: list[str] = field(default_factory=list)
    width: int = 0
    height: int = 0
    bad_pixels: int = 0
    about: str = ""


class Task(NamedTuple):
    """Entries to do, and the first of the rows that are theirs."""

    entries: list[Entry]
    row: int


def rows_file(folder: Path, name: str) -> Path:
    """File of the rows of one array."""
    return folder / f"{name}.npy"


def write_part(folder: Path, task: Task, results: list[Result], pixels: Mapping[str, np.ndarray]) -> None:
    """Write the results of a task: pixels first, then the part that says which image is in which row.

    Parameters
    ----------
    folder : Path
        Where parts and rows are.
    task : Task
        What was done.
    results : list of Result
        One for each of its entries.
    pixels : mapping of str to ndarray
        For each array its images, (k, size, size, 3) uint8; they are written to the first k rows of the task.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    for array_name, array in pixels.items():
        size = array.shape[1]
        descriptor = os.open(rows_file(folder, array_name), os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            data, at = array.data.cast("B"), HEADER + task.row * 3 * size * size
            while data:
                written = os.pwrite(descriptor, data, at)
                data, at = data[written:], at + written
        finally:
            os.close(descriptor)
    content = {"format": FORMAT, "row": task.row, "length": len(task.entries), "results": [vars(r) for r in results]}
    name = hashlib.sha256("\n".join(f"{r.name}\t{r.stamp}" for r in results).encode("utf-8", "replace")).hexdigest()
    write_json(folder / f"{name[:32]}.part", content, indent=None, ascii_only=True)


def open_rows(folder: Path, name: str, size: int) -> np.ndarray:
    """All rows of one array that the file has, (n, size, size, 3) uint8, read-only memory map."""
    path, length = rows_file(folder, name), 3 * size * size
    count = (path.stat().st_size - HEADER) // length if path.exists() else 0
    if count <= 0:
        return np.empty((0, size, size, 3), np.uint8)
    return np.memmap(path, np.uint8, "r", HEADER, (count, size, size, 3))


@dataclass
class Done:
    """A result and where its pixels are: row `row` of each of `pixels`."""

    result: Result
    pixels: list[np.ndarray]
    row: int


class Store:
    """Everything done so far, by entry.

    Parameters
    ----------
    folder : Path
        Where parts and rows are.
    layout : dict of str to int
        Side in pixels of each array.

    Attributes
    ----------
    next_row : int
        First row that belongs to no part.
    """

    def __init__(self, folder: Path, layout: dict[str, int]):
        self.folder, self.layout = folder, layout
        self.next_row = 0
        self._done: dict[tuple[str, str], Done] = {}
        self._known: set[str] = set()
        self._pixels: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._done)

    def get(self, entry: Entry) -> Done | None:
        """What became of `entry` as it is now, or None if it was not done yet."""
        return self._done.get((entry.name, entry.stamp))

    def get_pixels(self) -> list[np.ndarray]:
        """The rows of the parts read last, for each array."""
        return self._pixels

    def missing(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries that are not done."""
        return [entry for entry in entries if (entry.name, entry.stamp) not in self._done]

    def read_parts(self, *, verify: bool = False) -> None:
        """Take in the parts of the folder that are new to this store.

        A part that is damaged is deleted: it is done again.

        Parameters
        ----------
        verify : bool
            Compare pixels with their hashes.
        """
        pixels = self._pixels = [open_rows(self.folder, name, size) for name, size in self.layout.items()]
        for path in sorted(self.folder.glob("*.part")):
            if path.name in self._known:
                continue
            try:
                part = json.loads(path.read_bytes())
                results = [Result(**result) for result in part["results"]]
                row, length = int(part["row"]), int(part["length"])
                sound = part["format"] == FORMAT and (not verify or _sound(results, row, pixels))
            except (ValueError, KeyError, TypeError, AttributeError):
                sound = False
            if not sound:
                path.unlink()
                continue
            self.add(results, pixels, row)
            self.next_row = max(self.next_row, row + length)
            self._known.add(path.name)
        for path in self.folder.iterdir():
            if path.suffix not in (".part", ".npy"):  # half-written by a process that was killed
                path.unlink()

    def add(self, results: list[Result], pixels: list[np.ndarray], row: int = 0) -> None:
        """Take in results whose images are rows of arrays, in order.

        Parameters
        ----------
        results : list of Result
            The refused ones have no row.
        pixels : list of ndarray
            (n, size, size, 3) uint8 for each array.
        row : int
            Of the first image.
        """
        for result in results:
            self._done[result.name, result.stamp] = Done(result, pixels, row)
            row += not result.reason


def _sound(results: list[Result], row: int, pixels: list[np.ndarray]) -> bool:
    """Whether the rows hold the pixels that the results describe."""
    for result in results:
        if result.reason:
            continue
        for array, known in zip(pixels, result.hashes, strict=True):
            if row >= len(array) or image_hash(array[row]).hex() != known:
                return False
        row += 1
    return True
