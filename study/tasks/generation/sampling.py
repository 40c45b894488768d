"""Galaxies from a generator of any family: from noise, or by enlarging what a first stage or the sky has drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan.config import ModelConfig


def input_size(model: ModelConfig) -> int | None:
    """Side of the images that the family's generator takes; None for a generator of galaxies from noise."""
    from gan.models import FAMILIES

    family = FAMILIES[model.family]
    return family.input_size(model) if family.input_size is not None else None


def sizes(model: ModelConfig) -> tuple[int, ...]:
    """Image sizes that training needs."""
    small = input_size(model)
    return (model.image_size,) if small is None else (small, model.image_size)


def training_images(galaxies: Any, model: ModelConfig, indices: np.ndarray) -> Any:
    """What `gan.training.trainer.Trainer` takes: an array, or arrays by side for a family that takes images."""
    if input_size(model) is None:
        return galaxies.images(model.image_size)[indices]
    return {side: galaxies.images(side)[indices] for side in sizes(model)}


@dataclass(frozen=True)
class Drawing:
    """Where the galaxies that a study judges come from.

    Attributes
    ----------
    set, split : str
        The galaxy set and the rows of its parts.
    model : ModelConfig
        Of the generator.
    stage1 : str or None
        For a family that takes images: the checkpoint whose galaxies it enlarges. None: the reference galaxies
        themselves are enlarged, which flatters it.
    """

    set: str
    split: str
    model: ModelConfig
    stage1: str | None

    @property
    def enlarges_real(self) -> bool:
        """Whether there is nothing but real galaxies to enlarge."""
        return input_size(self.model) is not None and self.stage1 is None

    def count(self, samples: int) -> int:
        """Galaxies that can be drawn when `samples` are asked for."""
        return min(samples, len(self._reference_rows())) if self.enlarges_real else samples

    def draw(self, generator: Any, n: int, *, seed: int, start: int = 0) -> np.ndarray:
        """Galaxies `start` to `start + n`: (n, H, W, C) uint8, wherever the generator is."""
        from gan.sample import enlarge, sample

        if self.enlarges_real:
            return enlarge(generator, self.real_inputs(start, start + n))
        return sample(self.chained(generator), n, seed=seed, start=start)

    def chained(self, generator: Any) -> Any:
        """The generator, behind its first stage where it has one."""
        if self.stage1 is None or input_size(self.model) is None:
            return generator
        from gan.models.chain import Chain
        from gan.sample import network_device
        from gan.training.checkpoint import load_generator

        first, _ = load_generator(self.stage1)
        return Chain(first.to(network_device(generator)), generator)

    def real_inputs(self, start: int, stop: int) -> np.ndarray:
        """Small images of the reference galaxies."""
        from gan.data import GalaxySet

        side = input_size(self.model)
        assert side is not None
        return GalaxySet.open(self.set).images(side)[self._reference_rows()[start:stop]]

    def _reference_rows(self) -> np.ndarray:
        return load_indices(Path(self.split), "reference")


def load_indices(path: Path, which: str) -> np.ndarray:
    """Row numbers of the `train` or `reference` galaxies, an int64 array."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[which]
