"""The name of a galaxy from the name of its file."""

from __future__ import annotations

from pathlib import PurePath

COMPRESSED = (".gz", ".fz", ".bz2")


def stem(name: str | PurePath) -> str:
    """Return the file's name without its folder and suffix: `gal0` for `x/gal0.fits`, `gal0.fits.gz`, `gal0.fits.fz`.

    A suffix of compression is taken off together with the one before it, where that is FITS's.
    """
    path = PurePath(name)
    if path.suffix.lower() in COMPRESSED and PurePath(path.stem).suffix.lower() in (".fits", ".fit", ".fts"):
        return PurePath(path.stem).stem
    return path.stem
