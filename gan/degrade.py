"""Pairs from deep images alone: `python -m gan.degrade DEEP --out DIR`."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gan.data import DataError, read_manifest
from gan.degradation import DegradeSettings, degrade
from gan.pair_set import PAIR_SET, SCALES, PairSet, write_pairs

RECIPE = 1  # raised when the same seed gives other images
SYNTHETIC = replace(
    DegradeSettings(),
    deep_seeing=(1.35, 0.1),
    seeing=(2.2, 0.1),
    depth_loss=(1.5, 0.2),
    field=(72.0, 0.4),
)
"""Degradation of synthetic galaxies, whose frames and seeing are those of `gan.synthetic_population`."""


def degraded(
    deep: np.ndarray, size: int, settings: DegradeSettings, *, seed: int, name: str
) -> tuple[np.ndarray, dict[str, float]]:
    """An image and its degradation, drawn from `seed` and the image's `name` alone.

    Parameters
    ----------
    deep : ndarray
        (H, H, 3) uint8.
    size : int
        Side of the result, px.

    Returns
    -------
    shallow : ndarray
        (size, size, 3) uint8.
    drawn : dict
        seeing, deep_seeing, field (arcsec), depth_loss (mag) and noise_ratio.
    """
    rng = np.random.default_rng([RECIPE, seed, zlib.crc32(name.encode("utf-8", "surrogateescape"))])
    drawn = settings.draw(rng)
    about = {key: round(float(value), 4) for key, value in drawn._asdict().items() if key not in ("dx", "dy")}
    return degrade(deep, size, drawn, settings, rng), {**about, "noise_ratio": round(float(drawn.noise_ratio), 4)}


def synthetic_pairs(path: str | os.PathLike[str], n: int, *, size: int = 64, scale: int = 1, seed: int = 0) -> PairSet:
    """The pair set of `n` synthetic galaxies at `path`: made if it is not there, else opened.

    Targets are galaxies of `gan.synthetic`, inputs the same galaxies under the worse seeing and deeper noise of
    `SYNTHETIC`. The index has the truth of `gan.synthetic.draw` (lengths in px of the targets; its seeing
    as target_seeing), what was drawn for each pair, and label, "disc" or "elliptical".

    Raises
    ------
    DataError
        If a number is out of range, or `path` holds something else or cannot be written.
    """
    if scale not in SCALES:
        raise DataError(f"scale = {scale}: expected one of {', '.join(map(str, SCALES))}")
    path = Path(path)
    source = {"kind": "synthetic", "recipe": RECIPE, "n": n, "seed": seed, "size": size, "scale": scale}
    if _is_there(path, source):
        return PairSet.open(path)
    from gan.synthetic import draw

    targets, truth = draw(n, size=size * scale, seed=seed)
    inputs = np.empty((n, size, size, 3), np.uint8)
    rows = []
    for i, (target, name) in enumerate(zip(targets, truth["id"], strict=True)):
        inputs[i], drawn = degraded(target, size, SYNTHETIC, seed=seed, name=name)
        rows.append(drawn)
    index = truth.assign(source="synthetic", label=truth["kind"], target_seeing=truth["seeing"])
    for key in rows[0]:
        index[key] = [row[key] for row in rows]
    transform = {"kind": "degraded", "seed": seed, **SYNTHETIC.as_dict()}
    try:
        return write_pairs(
            path, inputs, targets, index, about={"source": source, "transform": transform, "refused": []}
        )
    except DataError:
        if _is_there(path, source):  # another process made the same set meanwhile
            return PairSet.open(path)
        raise


def _is_there(path: Path, source: dict[str, Any]) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    held = read_manifest(path, PAIR_SET).get("source")
    if held != source:
        raise DataError(f"{path} holds another pair set (source {held}); choose another folder")
    return True
