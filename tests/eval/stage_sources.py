"""Images by number for stages: drawn where they are measured, some of which fail or kill their worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np


def galaxies(n: int, seed: int = 0, *, size: int = 16) -> np.ndarray:
    """(n, size, size, 3) uint8: exponential discs on noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(y, x / rng.uniform(0.4, 1, (n, 1, 1))) / rng.uniform(1.5, 3, (n, 1, 1))
    grey = 15 + 180 * np.exp(-radius)[..., None]
    return np.clip(np.rint(grey + rng.normal(0, 2, (n, size, size, 3))), 0, 255).astype(np.uint8)


class DrawnSource:
    """Galaxies made where they are measured; one block can be told to kill its worker."""

    def __init__(self, n: int, *, kills: int | None = None, once: Path | None = None, fails: int | None = None):
        self.n, self.kills, self.once, self.fails = n, kills, once, fails
        self.key = f"drawn {n}"

    def __len__(self) -> int:
        return self.n

    def images(self, start: int, stop: int) -> np.ndarray:
        if self.fails is not None and start <= self.fails < stop:
            raise OSError("the disk went away")
        if self.kills is not None and start <= self.kills < stop and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.concatenate([galaxies(1, seed) for seed in range(start, stop)])
