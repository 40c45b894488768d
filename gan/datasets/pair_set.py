"""A paired galaxy set on disk: the same galaxies as a shallow and as a deep survey shows them, pixel upon pixel.

A pair set is a folder::

    inputs.npy       (N, S, S, 3) uint8, memory-mapped: what an enhancer is given
    targets.npy      (N, kS, kS, 3) uint8: what it should return; k, the scale, is 1 or 2
    index.parquet    one row per pair: id, source, label (class, "" where unknown), and where the pair came from
    manifest.json    source, counts, scale, content hash, what was done to make the pairs, refused files and why

Pixel (x, y) of an input covers the pixels (kx .. kx + k - 1, ky .. ky + k - 1) of its target. Both sides of a pair have
one orientation: whoever flips or turns one turns the other alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gan.data import DataError, ImageFolder, Kind
from gan.datasets.writer import describe_arrays, write_folder

if TYPE_CHECKING:
    import pandas as pd

INPUTS, TARGETS = "inputs", "targets"
PAIR_SET = Kind(format="pair-set", version=1, words="pair set", command="python -m gan.prepare --pairs INPUTS TARGETS")
SCALES = (1, 2)


class PairSet(ImageFolder):
    """Pairs of galaxy images with their index and manifest; make one with `PairSet.open`.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : dict
        Content of `manifest.json`.
    """

    kind = PAIR_SET

    def __repr__(self) -> str:
        return f"PairSet({str(self.path)!r}, {len(self)} pairs, {self.size} px to {self.size * self.scale} px)"

    @property
    def inputs(self) -> np.ndarray:
        """Shallow images, read-only memory map, (N, S, S, channels) uint8 in [0, 255]."""
        return self._arrays[INPUTS]

    @property
    def targets(self) -> np.ndarray:
        """Deep images, read-only memory map, (N, kS, kS, channels) uint8 in [0, 255]."""
        return self._arrays[TARGETS]

    @property
    def size(self) -> int:
        """Side S of the inputs, px."""
        return int(self.manifest["size"])

    @property
    def scale(self) -> int:
        """Side of the targets in units of that of the inputs, k: 1 or 2."""
        return int(self.manifest["scale"])

    @property
    def labels(self) -> np.ndarray | None:
        """Class of every pair, (N,) str, "" where unknown; None for a set without classes."""
        if "label" not in self.index.columns:
            return None
        return self.index["label"].fillna("").astype(str).to_numpy()

    def of_class(self, label: str) -> np.ndarray:
        """Return the rows of one class, ascending, int64: to train on one class and judge on another.

        Parameters
        ----------
        label : str
            The class.

        Raises
        ------
        DataError
            If the set has no classes, or no pair of this one.
        """
        labels = self.labels
        if labels is None:
            raise DataError(f"{self.path} has no classes: make it with a table that has a column label (--table)")
        rows = np.flatnonzero(labels == label)
        if not len(rows):
            have = ", ".join(repr(name) for name in sorted(set(labels) - {""})) or "none"
            raise DataError(f"{self.path} has no pair of class {label!r}; its classes: {have}")
        return rows

    def split(self, held_out: int | float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Divide the pairs into those to train on and those held out, all pairs of one galaxy on one side.

        Pairs of one galaxy share the column `galaxy` of the index; without it every pair is a galaxy of its own. Held
        out are whole galaxies, in random order, until there are `held_out` pairs or more.

        Parameters
        ----------
        held_out : int or float
            Number of pairs, or their share in [0, 1).
        seed : int
            Of the order.

        Returns
        -------
        train, held_out : ndarray, int64
            Rows, ascending.

        Raises
        ------
        DataError
            Nothing would be left to train on.
        """
        if "galaxy" not in self.index.columns:
            return super().split(held_out, seed)
        count = self._held_out(held_out)
        galaxy = self.index["galaxy"].astype(str).factorize()[0]
        order = np.random.default_rng([seed, len(self)]).permutation(galaxy.max() + 1)
        reached = np.cumsum(np.bincount(galaxy)[order])
        chosen = np.isin(galaxy, order[: int(np.searchsorted(reached, count)) + 1 if count else 0])
        if chosen.all():
            raise DataError(f"cannot hold out {count} of the {len(self)} pairs of {self.path}: too few galaxies")
        return np.flatnonzero(~chosen), np.flatnonzero(chosen)

    def _sides(self) -> dict[str, int]:
        try:
            size, scale = int(self.manifest["size"]), int(self.manifest["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{self.path}: the manifest lacks a usable size or scale ({error!r})") from None
        return {INPUTS: size, TARGETS: size * scale}


def write_pairs(
    path: str | os.PathLike[str],
    inputs: np.ndarray,
    targets: np.ndarray,
    index: pd.DataFrame,
    *,
    about: Mapping[str, Any],
) -> PairSet:
    """Write pairs held in memory as a pair set; nothing is left at `path` if it fails.

    Parameters
    ----------
    path : path-like
        Folder to make; must not exist yet, or be empty.
    inputs, targets : ndarray
        (N, S, S, C) and (N, kS, kS, C) uint8.
    index : DataFrame
        N rows with at least the columns id and source; `label` holds classes, `galaxy` ties pairs of one galaxy.
    about : mapping
        Further entries of the manifest (source, transform, refused, ...).

    Raises
    ------
    DataError
        If the arrays do not pair, or `path` holds something already or cannot be written.
    """
    arrays = {INPUTS: inputs, TARGETS: targets}
    manifest = {**describe_pairs(arrays), **about}
    if len(index) != len(inputs):
        raise DataError(f"an index of {len(index)} rows for {len(inputs)} pairs")
    write_folder(path, arrays, index, manifest)
    return PairSet.open(path)


def describe_pairs(arrays: Mapping[str, np.ndarray], image_hashes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the part of a manifest that describes the pixels of the pairs.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        `inputs` (N, S, S, C) and `targets` (N, kS, kS, C), uint8.
    image_hashes : mapping of str to iterable of bytes, optional
        As `gan.datasets.writer.describe_arrays`.

    Returns
    -------
    dict

    Raises
    ------
    DataError
        The arrays do not pair.
    """
    inputs, targets = arrays[INPUTS], arrays[TARGETS]
    for name, array in arrays.items():
        if array.ndim != 4 or array.dtype != np.uint8 or array.shape[1] != array.shape[2] or not len(array):
            raise DataError(f"{name} of shape {array.shape} {array.dtype}: expected (N, S, S, C) uint8")
    scale, rest = divmod(targets.shape[1], inputs.shape[1])
    if len(inputs) != len(targets) or rest or scale not in SCALES or inputs.shape[3] != targets.shape[3]:
        raise DataError(
            f"inputs of shape {inputs.shape} and targets of shape {targets.shape} do not pair: expected the same "
            "number and bands, and targets of the inputs' side or twice it"
        )
    described = describe_arrays(arrays, image_hashes)
    head = {"format": PAIR_SET.format, "version": PAIR_SET.version}
    return {**head, **described, "size": inputs.shape[1], "scale": scale}
