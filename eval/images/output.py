"""Files written whole or not at all, into folders known to be writable before the work begins."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from eval.images.arrays import CollectionError


def require_folder(path: Path) -> None:
    """Make a folder and write into it, so that a command fails before its work and not after.

    Raises
    ------
    CollectionError
        It cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise CollectionError(f"--out {path} cannot be written: {error.strerror or error}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
