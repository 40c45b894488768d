"""Files that appear under their name when they are complete, and not before."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, sync: bool = False) -> Iterator[Path]:
    """Yield a name in the folder of `path` to write to; what is there at the end takes the name `path`.

    A reader sees the old file or the new one. If the block raises, the old file stays and nothing else is left behind.
    The new file has the permissions that any new file has: the process's umask is not read or set.

    Parameters
    ----------
    path : path-like
        The file; its folder exists. The name that is yielded ends as this one does, for writers that go by the suffix.
    sync : bool
        Wait until the content is on the disk: it then survives a loss of power, at the price of some milliseconds.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    path = Path(path)
    partial = path.with_name(f".{secrets.token_hex(6)}-{path.name[-80:]}")
    try:
        yield partial
        if sync:
            descriptor = os.open(partial, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new folder beside `path` to write to; it takes the name `path` at the end.

    If the block raises, nothing is left behind.

    Parameters
    ----------
    path : path-like
        The folder; it does not exist yet, or is empty. Folders above it are made.

    Raises
    ------
    OSError
        If the folder above cannot be written to, or `path` holds something.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(6)}-{path.name[-80:]}")
    try:
        partial.mkdir()
        yield partial
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def atomically(path: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Call a function with a name beside `path`; what it writes there takes the name `path` (see `atomic_path`).

    Parameters
    ----------
    path : path-like
        The file; its folder exists.
    write : callable
        Called with the name to write to.
    """
    with atomic_path(path) as partial:
        write(partial)


def write_bytes(path: str | os.PathLike[str], content: bytes, *, sync: bool = False) -> None:
    """Write a whole file (see `atomic_path`).

    Parameters
    ----------
    path : path-like
        The file; its folder exists.
    content : bytes
        All of it.
    sync : bool
        See `atomic_path`.
    """
    with atomic_path(path, sync=sync) as partial:
        partial.write_bytes(content)


def write_text(path: str | os.PathLike[str], text: str, *, sync: bool = False) -> None:
    """Write a whole file in UTF-8 with line ends as given (see `atomic_path`).

    Parameters
    ----------
    path : path-like
        The file; its folder exists.
    text : str
        All of it.
    sync : bool
        See `atomic_path`.
    """
    write_bytes(path, text.encode(), sync=sync)


def write_json(
    path: str | os.PathLike[str], value: Any, *, indent: int | None = 1, ascii_only: bool = False, sync: bool = False
) -> None:
    """Write a value as JSON in UTF-8, with a newline at the end (see `atomic_path`).

    Parameters
    ----------
    path : path-like
        The file; its folder exists.
    value : object
        What `json.dumps` takes.
    indent : int or None
        Spaces per level; None: one line.
    ascii_only : bool
        Write other characters as escapes: needed for names of files that are not UTF-8.
    sync : bool
        See `atomic_path`.

    Raises
    ------
    ValueError
        If a number is not finite: JSON has no NaN and no infinity.
    """
    write_text(path, json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=ascii_only) + "\n", sync=sync)
