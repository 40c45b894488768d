"""Training and held-out images of nearest-image tests."""

from __future__ import annotations

import numpy as np


def images(n: int, seed: int, *, noise: float = 6.0) -> np.ndarray:
    """(n, 16, 16, 3) uint8: discs of different tilt and size on noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16] - 7.5
    angle, axis = rng.uniform(0, np.pi, (n, 1, 1)), rng.uniform(0.3, 1, (n, 1, 1))
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    radius = np.hypot(along, across / axis) / rng.uniform(1, 4, (n, 1, 1))
    grey = 30 + 180 * np.exp(-radius)[..., None] + rng.normal(0, noise, (n, 16, 16, 3))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


TRAINING, HELD_OUT = images(1500, 1), images(1000, 2)
