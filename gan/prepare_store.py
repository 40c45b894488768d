"""Work that `gan.prepare` has done: parts on disk, from which the galaxy set is assembled at the end.

A part holds the results of some entries, prepared pixels and refusals alike, and is written under another name first:
whatever kills the program, a part is there whole or not at all, and nothing in it is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from gan.sources import Entry

MAGIC = b"galaxy-part 1\n"


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
        SHA-256 of the prepared pixels, for each size.
    width, height, bad_pixels : int
        Of the original.
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


def write_part(folder: Path, results: list[Result], pixels: list[np.ndarray]) -> Path:
    """Write results and the pixels of those that are images, one (k, size, size, 3) uint8 array for each size."""
    header = {"results": [asdict(result) for result in results], "shapes": [array.shape for array in pixels]}
    text = MAGIC + json.dumps(header).encode()
    text += b" " * (-(len(text) + 1) % 64) + b"\n"
    name = hashlib.sha256("\n".join(f"{r.name}\t{r.stamp}" for r in results).encode()).hexdigest()[:32]
    path, temporary = folder / f"{name}.part", folder / f"{name}.{os.getpid()}"
    try:
        with temporary.open("wb") as stream:
            stream.write(text)
            for array in pixels:
                stream.write(array.data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


class Part:
    """A part read back; `pixels[k]` is the (memory-mapped) array of the k-th size, its rows the images in order."""

    def __init__(self, path: Path, sizes: tuple[int, ...]):
        with path.open("rb") as stream:
            if stream.readline() != MAGIC:
                raise ValueError(f"{path} is not a part")
            header = json.loads(stream.readline())
            offset = stream.tell()
        self.path = path
        self.results = [Result(**result) for result in header["results"]]
        shapes = [tuple(shape) for shape in header["shapes"]]
        count = sum(not result.reason for result in self.results)
        expected = [(count, size, size, 3) for size in sizes] if count else []
        lengths = [int(np.prod(shape)) for shape in shapes]
        if shapes != expected or path.stat().st_size != offset + sum(lengths):
            raise ValueError(f"{path} does not hold what its header says")
        self.pixels: list[np.ndarray] = []
        for shape, length in zip(shapes, lengths, strict=True):
            self.pixels.append(np.memmap(path, np.uint8, "r", offset, shape))
            offset += length


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
        Where the parts are.
    sizes : tuple of int
        Image sizes, in the order of the settings.
    """

    def __init__(self, folder: Path, sizes: tuple[int, ...]):
        self.folder, self.sizes = folder, sizes
        self._done: dict[tuple[str, str], Done] = {}

    def __len__(self) -> int:
        return len(self._done)

    def get(self, entry: Entry) -> Done | None:
        """What became of `entry` as it is now, or None if it was not done yet."""
        return self._done.get((entry.name, entry.stamp))

    def missing(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries that are not done."""
        return [entry for entry in entries if (entry.name, entry.stamp) not in self._done]

    def read_parts(self) -> None:
        """Take in all parts of the folder; one that is damaged is deleted, so that its images are done again."""
        for path in sorted(self.folder.glob("*.part")):
            try:
                part = Part(path, self.sizes)
            except (ValueError, KeyError, TypeError, UnicodeDecodeError):
                path.unlink()
                continue
            self.add(part.results, part.pixels)
        for path in self.folder.iterdir():
            if path.suffix != ".part":  # half-written by a process that was killed
                path.unlink()

    def add(self, results: list[Result], pixels: list[np.ndarray]) -> None:
        """Take in results whose images are the rows of `pixels`, in order."""
        row = 0
        for result in results:
            self._done[result.name, result.stamp] = Done(result, pixels, row)
            row += not result.reason
