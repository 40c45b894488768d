"""Folders for results, known to be writable before the work begins."""

from __future__ import annotations

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
