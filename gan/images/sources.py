"""Where images come from: folders, zip archives, HDF5 and npy/npz arrays, FITS files.

A source lists its entries (name and stamp) without reading them, so that the work can be divided, and opens a reader in
whichever process reads them. Members of an archive are read into memory and never unpacked to the disk.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.errors import in_words
from gan.data import DataError
from gan.images.rejections import Refused

MAX_BYTES = 512 * 1024 * 1024  # of one image file
MAX_ROWS = 10_000_000  # of an array file
ARRAY_SUFFIXES = {".npy", ".npz", ".h5", ".hdf5", ".hdf"}


class Entry(NamedTuple):
    """One image of a source.

    Attributes
    ----------
    name : str
        Unique in the source: relative path, member name or `file#row`.
    stamp : str
        Changes when the content does (size and time of change, or checksum).
    place : int
        Number of the row or archive member; -1 for files.
    """

    name: str
    stamp: str
    place: int = -1


class Pair(NamedTuple):
    """Both images of a pair.

    Attributes
    ----------
    input, target : bytes
        Content of their files.
    zoom : float
        Pixels of the input that one pixel of the target spans; NaN where it is not known.
    """

    input: bytes
    target: bytes
    zoom: float


Content = bytes | np.ndarray | Pair
Read = Callable[[Entry], Content]


@dataclass(frozen=True)
class Source:
    """A folder of images; the base of the other kinds.

    Attributes
    ----------
    path : Path
        Absolute path of the folder or file.
    key : str or None
        Name of the dataset in an HDF5 or npz file.
    """

    path: Path
    key: str | None = None
    kind = "folder"

    def entries(self, *, skip: Path | None = None) -> list[Entry]:
        """List all files below the folder by name; hidden ones and those below `skip` are left out.

        Parameters
        ----------
        skip : Path, optional
            A folder below this one.

        Returns
        -------
        list of Entry
            In a fixed order.

        Raises
        ------
        DataError
            The source cannot be read (archives and arrays).
        """
        return sorted(_walk(str(self.path), "", str(skip)))

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        """Yield a function that reads one entry.

        It returns the bytes of a file, an array (H, W, 3) or a `Pair`, and raises `Refused` for what cannot be read.
        """
        yield self.read_file

    def labels(self) -> dict[str, np.ndarray]:
        """Further columns that the source itself holds, one value per entry."""
        return {}

    def read_file(self, entry: Entry) -> bytes:
        """Return the content of one regular file of the folder.

        Parameters
        ----------
        entry : Entry
            Its name is relative to the folder.

        Raises
        ------
        Refused
            It cannot be read, is empty, too large, or no regular file.
        """
        try:
            with open(f"{self.path}/{entry.name}", "rb", buffering=0, opener=_open_at_once) as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise Refused("unreadable", "not a regular file")
                if status.st_size == 0:
                    raise Refused("empty")
                if status.st_size > MAX_BYTES:
                    raise Refused("too-large", f"{status.st_size:,} bytes; accepted: up to {MAX_BYTES:,}")
                return stream.read()
        except OSError as error:
            raise Refused("unreadable", error.strerror or str(error)) from None


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _walk(folder: str, below: str, skip: str) -> Iterator[Entry]:
    """Entries of all files in and under `folder`, whose names begin with `below`; links to folders are not followed."""
    try:
        items = list(os.scandir(folder))
    except OSError:
        yield Entry(below.rstrip("/") or ".", "unlisted")  # reading it is refused in its turn
        return
    for item in items:
        if item.name.startswith("."):
            continue
        if item.is_dir(follow_symlinks=False):
            if item.path != skip:
                yield from _walk(item.path, f"{below}{item.name}/", skip)
        elif not item.is_dir():
            yield Entry(below + item.name, _stamp(item))


def _stamp(item: os.DirEntry[str]) -> str:
    try:
        status = item.stat()
    except OSError:
        return "gone"
    return f"{status.st_size}-{status.st_mtime_ns}"


@dataclass(frozen=True)
class ZipSource(Source):
    """A zip archive of images."""

    kind = "zip"

    def entries(self, *, skip: Path | None = None) -> list[Entry]:
        """All members that are files, hidden ones left out; a name given twice gets its number appended."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
            raise DataError(f"{self.path} cannot be read as a zip archive: {error}") from None
        found: dict[str, Entry] = {}
        for place, member in enumerate(members):
            if member.is_dir() or any(part.startswith((".", "__MACOSX")) for part in _parts(member.filename)):
                continue
            name = member.filename if member.filename not in found else f"{member.filename}#{place}"
            found[name] = Entry(name, f"{member.file_size}-{member.CRC:08x}", place)
        return sorted(found.values())

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        """See `Source.reader`."""
        with zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
            yield lambda entry: _read_member(archive, members[entry.place])


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.flag_bits & 1:
        raise Refused("encrypted")
    if member.file_size == 0:
        raise Refused("empty")
    if member.file_size > MAX_BYTES:
        raise Refused("too-large", f"{member.file_size:,} bytes; accepted: up to {MAX_BYTES:,}")
    try:
        with archive.open(member) as stream:
            return stream.read(MAX_BYTES)  # zipfile never returns more than the header's file_size
    except Exception as error:  # noqa: BLE001 - zipfile raises many kinds (zlib.error, NotImplementedError, ...)
        raise Refused("unreadable", in_words(error)) from None


class _NpzArray:
    """One array of an npz archive: shape and type from its header, its numbers (kept in memory) when first indexed."""

    def __init__(self, archive: Any, name: str):
        self._load = lambda: archive[name]
        self._array: np.ndarray | None = None
        member = name if name in archive.zip.namelist() else f"{name}.npy"
        with archive.zip.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            header = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
            self.shape, _, self.dtype = header(stream)
        self.held = archive.zip.getinfo(member).file_size

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: Any) -> np.ndarray:
        if self._array is None:
            self._array = self._load()
        return self._array[place]


@dataclass(frozen=True)
class ArraySource(Source):
    """Images in an .npy, .npz or HDF5 file, (N, H, W, 3) or (N, 3, H, W); npz are read whole by every process."""

    kind = "array"

    def entries(self, *, skip: Path | None = None) -> list[Entry]:
        """One entry per row."""
        status = self.path.stat()
        stamp = f"{status.st_size}-{status.st_mtime_ns}"
        with self._open() as (array, _, _):
            count = len(array)
        return [Entry(f"{self.path.name}#{row:07d}", stamp, row) for row in range(count)]

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        """See `Source.reader`."""
        with self._open() as (array, channels_first, _):

            def read(entry: Entry) -> np.ndarray:
                try:
                    image = np.asarray(array[entry.place])
                except Exception as error:  # noqa: BLE001 - any error of a parser on bytes from outside
                    raise Refused("unreadable", in_words(error)) from None
                return np.moveaxis(image, 0, -1) if channels_first else image

            yield read

    def labels(self) -> dict[str, np.ndarray]:
        """One-dimensional numbers of the same length beside the images (Galaxy10's `ans`, `ra`, ...)."""
        found = {}
        with self._open() as (array, _, others):
            for name, other in others.items():
                with contextlib.suppress(Exception):  # damaged labels are left out, like those of other types
                    if other.shape == (len(array),) and other.dtype.kind in "biuf":
                        found[name] = np.asarray(other[:])
        return found

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Any, bool, dict[str, Any]]]:
        """The array of images, whether its channels come first, and the other arrays of the file."""
        with contextlib.ExitStack() as stack:
            try:
                arrays = self._arrays(stack)
                array = arrays.pop(self._choose(arrays))
                channels_first = array.shape[-1] != 3
            except DataError:
                raise
            except Exception as error:  # noqa: BLE001 - any error of a parser on bytes from outside
                raise DataError(f"{self.path} cannot be read as an array file ({in_words(error)})") from None
            yield array, channels_first, arrays

    def _arrays(self, stack: contextlib.ExitStack) -> dict[str, Any]:
        if self.path.suffix == ".npy":
            return {"": np.load(self.path, mmap_mode="r", allow_pickle=False)}
        if self.path.suffix == ".npz":
            archive = stack.enter_context(np.load(self.path, allow_pickle=False))
            return {name: _NpzArray(archive, name) for name in archive.files}
        import h5py

        file = stack.enter_context(h5py.File(self.path, "r"))
        found: dict[str, Any] = {}
        file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        return found

    def _choose(self, arrays: dict[str, Any]) -> str:
        described = ", ".join(f"{name or 'array'} {a.shape} {a.dtype}" for name, a in arrays.items()) or "nothing"
        if self.key is not None and self.key not in arrays:
            raise DataError(f"{self.path} has no dataset {self.key!r}; it holds {described}")
        names = [name for name, a in arrays.items() if len(a.shape) == 4 and 3 in (a.shape[-1], a.shape[1])]
        if self.key is not None:
            names = [name for name in names if name == self.key]
        for name in names:
            _check_claim(f"{self.path} {name}".rstrip(), arrays[name])
        if len(names) != 1:
            what = "several arrays of images: choose one with --key" if names else "no array of images"
            raise DataError(f"{self.path} holds {what} (accepted: (N, H, W, 3) or (N, 3, H, W)); it holds {described}")
        return names[0]


def _check_claim(what: str, array: Any) -> None:
    """Raise `DataError` for a header that claims more than can be there."""
    row = array.dtype.itemsize * math.prod(array.shape[1:])
    if len(array) > MAX_ROWS or row > MAX_BYTES or row == 0:
        raise DataError(f"{what} claims to be {array.shape} {array.dtype}: more than is accepted")
    held = getattr(array, "held", None)
    if held is not None and held < len(array) * row:
        raise DataError(f"{what} claims to be {array.shape} {array.dtype}, but holds {held:,} bytes")


@dataclass(frozen=True)
class FileSource(Source):
    """A single image or FITS file."""

    kind = "file"

    def entries(self, *, skip: Path | None = None) -> list[Entry]:
        """The one entry."""
        status = self.path.stat()
        return [Entry(self.path.name, f"{status.st_size}-{status.st_mtime_ns}")]

    def read_file(self, entry: Entry) -> bytes:
        """See `Source.read_file`."""
        return Source(self.path.parent).read_file(entry)


def open_source(path: str | os.PathLike[str], *, key: str | None = None) -> Source:
    """Open a folder (searched recursively), a zip archive, an array file, or one image or FITS file as a source.

    Parameters
    ----------
    path : path-like
        Where images are.
    key : str, optional
        Name of the dataset in an HDF5 or npz file; default: the only one that holds images.

    Returns
    -------
    Source

    Raises
    ------
    DataError
        If there is nothing at `path` or it cannot be read.
    """
    given, path = path, Path(path).expanduser().resolve()
    try:
        if path.is_dir():
            os.listdir(path)
            return Source(path)
        with path.open("rb") as stream:
            head = stream.read(4)
    except FileNotFoundError:
        raise DataError(
            f"SOURCE {given} does not exist: expected a folder, a .zip, .npy, .npz, .h5 or FITS file"
        ) from None
    except OSError as error:
        raise DataError(f"SOURCE {given} cannot be read: {error.strerror or error}") from None
    if path.suffix.lower() in ARRAY_SUFFIXES:
        return ArraySource(path, key)
    if head == b"PK\x03\x04" or path.suffix.lower() == ".zip":
        return ZipSource(path)
    return FileSource(path)
