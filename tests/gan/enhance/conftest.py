"""Pairs that an enhancer can learn from."""

import numpy as np
import pytest

from gan.datasets.synthetic import draw


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """24 synthetic galaxies of 32 px, and what is left of them at 16 px under noise."""
    deep, _ = draw(24, size=32, seed=3, noise=False, jobs=1)
    small = deep.reshape(24, 16, 2, 16, 2, 3).mean((2, 4))
    noise = np.random.default_rng(0).normal(0, 12, small.shape)
    return np.clip(0.6 * small + 10 + noise, 0, 255).astype(np.uint8), deep
