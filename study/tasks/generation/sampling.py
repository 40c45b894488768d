"""Galaxies from a generator of any family: from noise, or by enlarging what a first stage or the sky has drawn."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gan.config import ModelConfig
from study.storage.trial_files import TrialFiles
from study.tasks.split import Rows, load_rows

if TYPE_CHECKING:
    from gan.data import GalaxySet


def input_size(model: ModelConfig) -> int | None:
    """Return the side of the images that the family's generator takes; None for a generator of galaxies from noise."""
    from gan.models import FAMILIES

    family = FAMILIES[model.family]
    return family.input_size(model) if family.input_size is not None else None


def sizes(model: ModelConfig) -> tuple[int, ...]:
    """Return the sides of the images that training needs, in pixels."""
    small = input_size(model)
    return (model.image_size,) if small is None else (small, model.image_size)


def training_images(galaxies: GalaxySet, model: ModelConfig, rows: Rows) -> Any:
    """Return what `gan.training.trainer.Trainer` takes: an array, or arrays by side for a family that takes images."""
    if input_size(model) is None:
        return galaxies.images(model.image_size)[rows]
    return {side: galaxies.images(side)[rows] for side in sizes(model)}


@dataclass(frozen=True)
class Sampling:
    """Where the galaxies that a study judges come from.

    Attributes
    ----------
    files : TrialFiles
        The galaxy set and the rows of its parts. For a family that takes images, `stage1` draws what is enlarged;
        without it the reference galaxies themselves are enlarged, which flatters the family.
    model : ModelConfig
        Of the generator.
    """

    files: TrialFiles
    model: ModelConfig

    @property
    def enlarges_real(self) -> bool:
        """Whether there is nothing but real galaxies to enlarge."""
        return input_size(self.model) is not None and self.files.stage1 is None

    @property
    def without_stage1(self) -> Sampling:
        """The same on enlarged real galaxies."""
        return Sampling(dataclasses.replace(self.files, stage1=None), self.model)

    def count(self, samples: int) -> int:
        """Return how many galaxies can be drawn when `samples` are asked for."""
        return min(samples, len(self._reference_rows())) if self.enlarges_real else samples

    def sample(self, generator: Any, n: int, *, seed: int, start: int = 0) -> np.ndarray:
        """Return galaxies `start` to `start + n`: (n, H, W, C) uint8, wherever the generator is."""
        from gan.sample import enlarge, sample

        if self.enlarges_real:
            return enlarge(generator, self.real_inputs(start, start + n))
        return sample(self.chained(generator), n, seed=seed, start=start)

    def chained(self, generator: Any) -> Any:
        """Return the generator, behind its first stage where it has one."""
        if self.files.stage1 is None or input_size(self.model) is None:
            return generator
        from gan.models.chain import Chain
        from gan.sample import network_device
        from gan.training.checkpoint import load_generator

        first, _ = load_generator(self.files.stage1)
        return Chain(first.to(network_device(generator)), generator)

    def real_inputs(self, start: int, stop: int) -> np.ndarray:
        """Return small images of the reference galaxies: (stop - start, h, w, C) uint8."""
        from gan.data import GalaxySet

        side = input_size(self.model)
        assert side is not None
        return GalaxySet.open(self.files.data).images(side)[self._reference_rows()[start:stop]]

    def _reference_rows(self) -> Rows:
        return load_rows(self.files.split, "reference")
