"""The images of a study and how they are divided into what trains and what judges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SYNTHETIC = "synthetic"
"""What `data.set` says where images are made instead of read."""

MOST_HELD_OUT = 0.25
"""Largest share of a set that is held out unless `data.held_out` asks for more."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DatasetSplit:
    """Where a study's images are and how they are divided.

    Attributes
    ----------
    path : Path
        Folder of the set.
    train, reference : (n,) int64 arrays
        Rows to train on, and rows that the objective compares with.
    held_out : bool
        Whether the reference was kept out of training.
    content : str
        Hash of the images.
    """

    path: Path
    train: Rows
    reference: Rows
    held_out: bool
    content: str

    @property
    def parts(self) -> dict[str, Rows]:
        """The division, as workers read it (`load_rows`)."""
        return {"train": self.train, "reference": self.reference}

    def describe(self) -> str:
        """Return one line for the plan."""
        kept = "held out of training" if self.held_out else "also trained on: the set is too small to hold any out"
        return f"{self.path}: {len(self.train):,} to train on, {len(self.reference):,} as reference ({kept})"


@dataclass(frozen=True)
class PairSplit(DatasetSplit):
    """Where a study's pairs are and how they are divided.

    Attributes
    ----------
    final : (n,) int64 array
        Rows that judge the finalists: neither trained on nor looked at before.
    classes : tuple of str or None
        Class trained on, and class judged on; None: all.
    """

    final: Rows
    classes: tuple[str | None, str | None]

    @property
    def parts(self) -> dict[str, Rows]:
        """See `DatasetSplit`."""
        return {**super().parts, "final": self.final}

    def describe(self) -> str:
        """See `DatasetSplit`."""
        trained, judged = self.classes
        shift = f"; trained on {trained or 'all'}, judged on {judged or 'all'}" if trained or judged else ""
        return (
            f"{self.path}: {len(self.train):,} pairs to train on; held out: {len(self.reference):,} judged during the "
            f"search, {len(self.final):,} at its end{shift}"
        )


def load_rows(path: Path, part: str) -> Rows:
    """Return the row numbers of a part (`train`, `reference` or `final`) from a study's `split.npz`: (n,) int64."""
    with np.load(path, allow_pickle=False) as arrays:
        rows: Rows = arrays[part]
        return rows
