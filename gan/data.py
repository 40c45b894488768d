"""A galaxy set on disk: what `gan.prepare` and `gan.datasets.synthetic` write and everything else reads.

A galaxy set is a folder::

    64.npy, 128.npy, ...   one array per image size, (N, size, size, channels) uint8, memory-mapped
    index.parquet          one row per image: id, source, sha256, width, height, and any labels
    manifest.json          source, counts, sizes, content hash, transform, refused files and why, versions

Row `i` of the index and image `i` of every array are the same galaxy.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from common.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "galaxy-set"
VERSION = 1
MANIFEST = "manifest.json"
INDEX = "index.parquet"
WORK = ".prepare"  # folder of an unfinished preparation


class DataError(InputError):
    """A galaxy set or a source of images cannot be used; the message says what and what to do."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of set of images on disk.

    Attributes
    ----------
    format, version : str, int
        As in its manifest.
    words : str
        What messages call it.
    command : str
        What makes one, but for `--out`.
    """

    format: str
    version: int
    words: str
    command: str


GALAXY_SET = Kind(format=FORMAT, version=VERSION, words="galaxy set", command="python -m gan.prepare SOURCE")


class ImageFolder(ABC):
    """What every set of images on disk can do; the base of `GalaxySet` and `gan.datasets.pair_set.PairSet`.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        Content of `manifest.json`.
    """

    kind: ClassVar[Kind]

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path = path
        self.manifest = manifest
        self._arrays: dict[str, np.ndarray] = {}
        self._index: pd.DataFrame | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the set in a folder and check that its arrays are those of its manifest.

        Parameters
        ----------
        path : path-like
            The folder.

        Returns
        -------
        ImageFolder
            Of the class that this is called on; arrays are read-only memory maps.

        Raises
        ------
        DataError
            If the folder is absent or holds no such set, its manifest cannot be read, or an array is missing,
            cut short or not of the shape that the manifest gives.
        """
        path = Path(path)
        opened = cls(path, read_manifest(path, cls.kind))
        for name, side in opened._sides().items():
            opened._arrays[name] = opened._map(name, side)
        if not (path / INDEX).is_file():
            raise DataError(f"{path}: {INDEX} is missing; make the set again with {cls.kind.command} --out {path}")
        return opened

    @abstractmethod
    def _sides(self) -> dict[str, int]:
        """Side in pixels of each array."""

    def __len__(self) -> int:
        return int(self.manifest["count"])

    @property
    def channels(self) -> int:
        """Number of bands of every image."""
        return int(self.manifest["channels"])

    @property
    def content_hash(self) -> str:
        """Hash of the pixels of all arrays, hexadecimal: the same if and only if the images are the same."""
        return str(self.manifest["content_hash"])

    def array(self, name: str) -> np.ndarray:
        """Return one array of the set.

        Parameters
        ----------
        name : str
            As in the manifest.

        Returns
        -------
        ndarray, (N, side, side, channels) uint8 in [0, 255]
            A read-only memory map.
        """
        return self._arrays[name]

    @property
    def index(self) -> pd.DataFrame:
        """One row per image: id, source, sha256, width, height (of the original, px), and any labels."""
        if self._index is None:
            import pandas as pd

            try:
                frame = pd.read_parquet(self.path / INDEX)
            except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors or OSErrors
                raise DataError(f"{self.path / INDEX} cannot be read: {error}") from None
            if len(frame) != len(self):
                raise DataError(f"{self.path / INDEX} has {len(frame)} rows for {len(self)} images")
            self._index = frame
        return self._index

    def split(self, held_out: int | float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Divide the images at random into training and held-out ones.

        The division depends on `seed`, `held_out` and the number of images only; the held-out images of a smaller
        `held_out` are among those of a larger one.

        Parameters
        ----------
        held_out : int or float
            Number of held-out images, or their share in [0, 1) when it is a float.
        seed : int
            Seed of the division.

        Returns
        -------
        train, held_out : ndarray
            Ascending indices, int64, disjoint, together all images.

        Raises
        ------
        DataError
            If no image would be left to train on.
        """
        total = len(self)
        count = self._held_out(held_out)
        order = np.random.default_rng([seed, total]).permutation(total)
        return np.sort(order[count:]), np.sort(order[:count])

    def _held_out(self, held_out: int | float) -> int:
        """Number of images to hold out; raises `DataError` if that is impossible."""
        total = len(self)
        if isinstance(held_out, float) and not 0 <= held_out < 1:
            raise DataError(f"held_out = {held_out!r}: expected a share in [0, 1) or a whole number of images")
        count = math.floor(held_out * total) if isinstance(held_out, float) else int(held_out)
        if not 0 <= count < total:
            raise DataError(f"cannot hold out {count} of the {total} images of {self.path}")
        return count

    def verify(self) -> None:
        """Read every pixel and compare it with the hashes of the manifest.

        Raises
        ------
        DataError
            An array is not what its hash says.
        """
        for name, array in self._arrays.items():
            if array_hash(array) != self.manifest["arrays"][name]["sha256"]:
                raise DataError(f"{self.path / f'{name}.npy'} was changed or damaged; make the set again")

    def _map(self, name: str, side: int) -> np.ndarray:
        path = self.path / f"{name}.npy"
        expected = (len(self), side, side, self.channels)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} cannot be read ({error}); make the set again") from None
        if array.shape != expected or array.dtype != np.uint8:
            raise DataError(f"{path} is {array.dtype} {array.shape}, but the manifest says uint8 {expected}")
        return array


class GalaxySet(ImageFolder):
    """Prepared galaxy images with their index and manifest; make one with `GalaxySet.open`.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        Content of `manifest.json`.
    """

    kind = GALAXY_SET

    def __repr__(self) -> str:
        return f"GalaxySet({str(self.path)!r}, {len(self)} images, sizes {list(self.sizes)})"

    def _sides(self) -> dict[str, int]:
        return {str(size): size for size in self.sizes}

    @property
    def sizes(self) -> tuple[int, ...]:
        """Image sizes that were prepared, in pixels, ascending."""
        return tuple(sorted(int(size) for size in self.manifest["arrays"]))

    def images(self, size: int) -> np.ndarray:
        """Return the images of one size.

        Parameters
        ----------
        size : int
            Side, px.

        Returns
        -------
        ndarray, (N, size, size, channels) uint8 in [0, 255]
            A read-only memory map.

        Raises
        ------
        DataError
            The set has no images of that size; the message says which it has, and the command that makes them.
        """
        if str(size) not in self._arrays:
            have = ", ".join(map(str, self.sizes))
            raise DataError(f"{self.path} has images of {have} px, not {size} px; {self._remedy(size)}")
        return self._arrays[str(size)]

    def _remedy(self, size: int) -> str:
        source = self.manifest.get("source", {})
        if source.get("kind") == "synthetic":
            return f"make the synthetic set with sizes=({', '.join(map(str, (*self.sizes, size)))})"
        sizes = " ".join(map(str, sorted((*self.sizes, size))))
        command = f"python -m gan.prepare {source.get('path', 'SOURCE')} --out {self.path} --sizes {sizes} --replace"
        return f"make them with: {command}"


def read_manifest(path: Path, kind: Kind = GALAXY_SET) -> dict[str, Any]:
    """Read the manifest of the set in a folder and check what every reader needs.

    Parameters
    ----------
    path : Path
        The folder.
    kind : Kind
        Of the set.

    Returns
    -------
    dict
        Content of `manifest.json`.

    Raises
    ------
    DataError
        The folder is absent, holds no such set, or its manifest cannot be read.
    """
    words, command = kind.words, f"{kind.command} --out {path}"
    if not path.exists():
        raise DataError(f"{path} does not exist; make a {words} with: {command}")
    if not (path / MANIFEST).is_file() and (path / WORK).is_dir():
        raise DataError(f"the preparation of {path} was interrupted; run the same command again to go on")
    if not (path / MANIFEST).is_file():
        raise DataError(f"{path} is not a {words} ({MANIFEST} is missing); make one with: {command}")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        _check_manifest(path, manifest, kind)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path / MANIFEST} cannot be read as a manifest ({error!r}); make the set again") from None
    return manifest


def _check_manifest(path: Path, manifest: Any, kind: Kind) -> None:
    """Raise `DataError` for a set of another kind or version, another error for what no manifest of `kind` holds."""
    if manifest["format"] != kind.format:
        raise DataError(f"{path / MANIFEST} is a {manifest['format']!r}, not a {kind.format!r}")
    if manifest["version"] != kind.version:
        raise DataError(f"{path} has format version {manifest['version']}; this program reads {kind.version}")
    manifest["content_hash"]
    for key in ("count", "channels"):
        if int(manifest[key]) != manifest[key]:
            raise ValueError(f"{key} = {manifest[key]!r}")
    for array in manifest["arrays"]:
        if kind is GALAXY_SET:
            int(array)


def image_hash(image: np.ndarray) -> bytes:
    """Return the SHA-256 of the pixels of one image, 32 bytes.

    Parameters
    ----------
    image : ndarray, (H, W, C) uint8
        Its shape does not count.
    """
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


def array_hash(array: np.ndarray, image_hashes: Iterable[bytes] | None = None) -> str:
    """Return the SHA-256, hexadecimal, of the shape of an array and the hash of each of its images.

    Parameters
    ----------
    array : ndarray, (N, H, W, C) uint8
        The images.
    image_hashes : iterable of bytes, optional
        From `image_hash`, where they are known already.
    """
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    for known in map(image_hash, array) if image_hashes is None else image_hashes:
        digest.update(known)
    return digest.hexdigest()
