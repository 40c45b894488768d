"""Writing galaxy sets: what `gan.prepare` and `gan.datasets.synthetic` share."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from common.atomic import atomic_folder, write_json
from gan.data import FORMAT, INDEX, MANIFEST, VERSION, DataError, GalaxySet, array_hash

if TYPE_CHECKING:
    import pandas as pd


def write_galaxy_set(
    path: str | os.PathLike[str],
    arrays: Mapping[int, np.ndarray],
    index: pd.DataFrame,
    *,
    about: Mapping[str, Any],
) -> GalaxySet:
    """Write arrays held in memory as a galaxy set; nothing is left at `path` if it fails.

    Parameters
    ----------
    path : path-like
        Folder to make; must not exist yet, or be empty.
    arrays : mapping of int to ndarray
        Image size to (N, size, size, channels) uint8.
    index : DataFrame
        N rows with at least the columns id and source.
    about : mapping
        Further entries of the manifest (source, transform, settings, ...).

    Raises
    ------
    DataError
        If `path` holds something already or cannot be written.
    """
    manifest = {"format": FORMAT, "version": VERSION, **describe_arrays(arrays), **about}
    write_folder(path, arrays, index, manifest)
    return GalaxySet.open(path)


def write_folder(
    path: str | os.PathLike[str],
    arrays: Mapping[Any, np.ndarray],
    index: pd.DataFrame,
    manifest: Mapping[str, Any],
) -> None:
    """Write arrays, an index and a manifest as one new folder.

    Parameters
    ----------
    path : path-like
        Folder to make; must not exist yet, or be empty.
    arrays : mapping of name to ndarray
        Written as `<name>.npy`.
    index : DataFrame
        One row per image.
    manifest : mapping
        Versions of software are added.

    Raises
    ------
    DataError
        If `path` holds something already or cannot be written; nothing is left of it then.
    """
    try:
        with atomic_folder(path) as work:
            for name, array in arrays.items():
                np.save(work / f"{name}.npy", array)
            index.to_parquet(work / INDEX, index=False)
            write_json(work / MANIFEST, {**manifest, "software": software_versions()}, ascii_only=True)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from None


def describe_arrays(
    arrays: Mapping[Any, np.ndarray], image_hashes: Mapping[Any, Iterable[bytes]] | None = None
) -> dict[str, Any]:
    """Return the part of a manifest that describes the pixels: count, sizes, channels, arrays and content_hash.

    Parameters
    ----------
    arrays : mapping of name to ndarray
        (N, side, side, C) uint8 each.
    image_hashes : mapping of name to iterable of bytes, optional
        `gan.data.image_hash` of every image, where they are known already.

    Returns
    -------
    dict
    """
    hashes = image_hashes or {}
    described = {
        str(name): {
            "file": f"{name}.npy",
            "shape": list(array.shape),
            "dtype": "uint8",
            "sha256": array_hash(array, hashes.get(name)),
        }
        for name, array in sorted(arrays.items())
    }
    digest = hashlib.sha256(json.dumps([[name, entry["sha256"]] for name, entry in described.items()]).encode())
    first = next(iter(arrays.values()))
    return {
        "count": len(first),
        "channels": int(first.shape[-1]),
        "sizes": sorted({array.shape[1] for array in arrays.values()}),
        "arrays": described,
        "content_hash": digest.hexdigest(),
    }


@functools.cache
def software_versions(names: tuple[str, ...] = ("numpy", "pillow", "astropy", "pandas", "pyarrow")) -> dict[str, str]:
    """Return the versions of Python and of those of the packages that are installed.

    Parameters
    ----------
    names : tuple of str
        Of packages.

    Returns
    -------
    dict of str to str
    """
    import platform
    from importlib import metadata

    versions = {"python": platform.python_version()}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
