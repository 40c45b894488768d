"""Galaxies among stars, drawn so that what an enhancer does to them is known."""

from __future__ import annotations

import numpy as np

SIDE = 64


def field(seed: int, *, sources: int = 4, noise: float = 2.0, blur: float = 1.0) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: an elliptical galaxy and some stars on a noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle, axis = rng.uniform(0, np.pi), rng.uniform(0.4, 0.8)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    grey = 20 + 180 * np.exp(-np.hypot(along, across / axis) / (4 * blur))
    for px, py in rng.uniform(-26, 26, (sources, 2)):
        if np.hypot(px, py) > 18:
            grey += 60 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (1.5 * blur) ** 2))
    return to_bytes(grey[..., None] * [1.0, 0.9, 0.8] + rng.normal(0, noise, (SIDE, SIDE, 3)))


def to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
