"""Judging a finalist: more galaxies, of a seed that chose nothing, measured over all CPUs of the cluster."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.metrics import Sample
from eval.metrics.registry import SPECTRUM_IMAGES
from study.config.families import GalaxyStudy
from study.results.trials import TrialRow
from study.storage.object_store import address_of, fetched
from study.storage.trial_files import TrialFiles
from study.tasks.generation.evaluation import GalaxyEvaluation, judge
from study.tasks.generation.sampling import Sampling, input_size
from study.tasks.split import load_rows

if TYPE_CHECKING:
    import pandas as pd

MEMORISATION_IMAGES = 2000
FRESH_SEED = 1_000_003
"""Added to a trial's seed: the galaxies that chose a checkpoint do not judge it."""


@dataclass(frozen=True)
class CheckpointGalaxies:
    """Galaxies drawn from a checkpoint, block by block, wherever Ray Data asks for them (an `ImageSource`).

    Attributes
    ----------
    path : str
        A checkpoint that all nodes see, or its address in a store.
    count : int
        Galaxies in all.
    seed : int
        Of the noise.
    sampling : Sampling
        Noise, a first stage or real galaxies: what the generator starts from.
    """

    path: str
    count: int
    seed: int
    sampling: Sampling

    def __len__(self) -> int:
        return self.count

    def images(self, start: int, stop: int) -> np.ndarray:
        """Galaxies `start` to `stop`: (stop - start, H, W, C) uint8."""
        generator = _load(self.path, input_size(self.sampling.model) is not None)
        return self.sampling.sample(generator, stop - start, seed=self.seed, start=start)


@functools.lru_cache(maxsize=1)
def _load(path: str, takes_images: bool) -> Any:
    """The checkpoint's generator, read once per process."""
    from gan.training.checkpoint import load_enlarger, load_generator

    return (load_enlarger if takes_images else load_generator)(fetched(path))[0]


class GalaxyFinalJudge:
    """Judges with `objective.final_samples` galaxies of a fresh seed.

    Parameters
    ----------
    study : GalaxyStudy
        The study.
    catalogue : DataFrame
        Of the reference galaxies.
    files : TrialFiles
        Of the study's trials.
    cpus : int
        Of the cluster.
    """

    def __init__(self, study: GalaxyStudy, catalogue: pd.DataFrame, files: TrialFiles, cpus: int):
        self.study, self.catalogue, self.files, self.cpus = study, catalogue, files, cpus

    @functools.cached_property
    def reference(self) -> Sample:
        """The reference with the images that the power spectrum needs."""
        from gan.data import GalaxySet

        images = GalaxySet.open(self.files.data).images(self.study.data.image_size)
        return Sample(self.catalogue, images[load_rows(self.files.split, "reference")[:SPECTRUM_IMAGES]])

    def __call__(self, row: TrialRow, path: Path) -> tuple[GalaxyEvaluation, int]:
        """Judge a trial's checkpoint: what was found, and on how many galaxies."""
        from eval.distributed.stage import measure_source

        objective = self.study.objective
        model, _ = self.study.configure(row.point, row.seed)
        sampling = Sampling(self.files, model)
        count = sampling.count(objective.final_samples or objective.samples)
        source = CheckpointGalaxies(address_of(self.files, path), count, row.seed + FRESH_SEED, sampling)
        catalogue = measure_source(source, engine=objective.engine, cpus=self.cpus).catalogue()
        images = source.images(0, min(count, MEMORISATION_IMAGES))
        evaluation = judge(images, catalogue, self.reference)
        evaluation.metrics.update(memorisation_metrics(images, self.files, model.image_size))
        return evaluation, count


def memorisation_metrics(images: np.ndarray, files: TrialFiles, side: int) -> dict[str, float]:
    """How close generated galaxies come to the training images, beside held-out ones; empty where none were held out.

    Parameters
    ----------
    images : (n, H, W, C) uint8 array
        Generated galaxies.
    files : TrialFiles
        The galaxy set and its division.
    side : int
        Of the images, in pixels.
    """
    from eval.statistics.memorisation import memorisation
    from eval.statistics.nearest import centre
    from gan.data import GalaxySet

    train, held_out = (load_rows(files.split, part) for part in ("train", "reference"))
    if np.array_equal(train, held_out):
        return {}
    real = centre(GalaxySet.open(files.data).images(side))
    found, _, _ = memorisation(centre(images), real[train], real[held_out], crop=1.0)
    return found.metrics()
