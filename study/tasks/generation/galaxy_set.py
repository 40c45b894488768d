"""The galaxy set of a study that has begun: the prepared one, or the synthetic one in the results' cache."""

from __future__ import annotations

from pathlib import Path

from gan.data import GalaxySet
from gan.datasets.synthetic import cache_folder
from study.config.families import GalaxyStudy
from study.tasks.generation.sampling import sizes
from study.tasks.split import SYNTHETIC


def open_galaxy_set(study: GalaxyStudy, folder: Path) -> GalaxySet:
    """Return the galaxy set that the study in `folder` used.

    Raises
    ------
    gan.data.DataError
        If it is not there any more.
    """
    data = study.data
    if data.set != SYNTHETIC:
        return GalaxySet.open(data.set)
    cache = folder.resolve().parent / ".cache"
    return GalaxySet.open(cache_folder(cache, count=data.synthetic_count, sizes=sizes(study.model), seed=data.seed))
