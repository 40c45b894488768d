"""Images that a small GAN can learn from."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    """Blurred discs of random size and brightness: (96, 16, 16, 3) uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] - 7.5
    radius, level = rng.uniform(2, 6, (2, 96, 1, 1))
    disc = np.exp(-(x**2 + y**2) / radius**2) * (level * 30 + 50)
    return np.repeat(disc[..., None], 3, axis=3).astype(np.uint8)
