"""A small galaxy set of 16 and 32 px, divided, as the trials of a study read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan.config import ModelConfig
from gan.data import GalaxySet
from gan.datasets.synthetic import synthetic_set
from study.storage.trial_files import TrialFiles

COUNT, KEPT = 48, 16
SMALL = ModelConfig(image_size=16, width=2, latent_dim=4)
ENLARGER = ModelConfig(family="stackgan", image_size=32, width=2, discriminator_width=2)


def divided(folder: Path, *, stage1: Path | None = None, held_out: bool = True) -> tuple[TrialFiles, GalaxySet]:
    """Draw the set and write its division; the last 16 galaxies are the reference."""
    galaxies = synthetic_set(folder / "set", COUNT, sizes=(16, 32), seed=0)
    rows = np.arange(COUNT)
    train, reference = (rows[:-KEPT], rows[-KEPT:]) if held_out else (rows, rows)
    np.savez(folder / "split.npz", train=train, reference=reference)
    return TrialFiles.of_study(folder, galaxies.path, stage1=stage1), galaxies
