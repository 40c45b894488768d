"""What the name of a file says: the galaxy's name, and whether it is FITS."""

from __future__ import annotations

from pathlib import PurePath

COMPRESSED = (".gz", ".fz", ".bz2")
FITS = (".fits", ".fit", ".fts")


def is_fits_name(name: str | PurePath) -> bool:
    """Return whether a file is FITS by its name, compressed or not: `x.fits`, `x.FIT`, `x.fits.gz`."""
    path = PurePath(name)
    return (PurePath(path.stem) if path.suffix.lower() in COMPRESSED else path).suffix.lower() in FITS


def stem(name: str | PurePath) -> str:
    """Return the file's name without its folder and suffix: `gal0` for `x/gal0.fits`, `gal0.fits.gz`, `gal0.fits.fz`.

    A suffix of compression is taken off together with the one before it, where that is FITS's.
    """
    path = PurePath(name)
    if path.suffix.lower() in COMPRESSED and is_fits_name(path):
        return PurePath(path.stem).stem
    return path.stem


def without_suffix(name: str) -> str:
    """Return a path whose folders are parted by "/" with its `stem` as its last part: `x/gal0` for `x/gal0.fits.gz`."""
    return name[: name.rfind("/") + 1] + stem(name)
