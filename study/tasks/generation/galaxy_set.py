"""The galaxy set of a study that has begun: the prepared one, or the synthetic one in the results' cache."""

from __future__ import annotations

from pathlib import Path

from gan.data import GalaxySet
from study.config.study import Study
from study.tasks.generation.galaxies import SYNTHETIC
from study.tasks.generation.sampling import sizes


def open_galaxy_set(study: Study, folder: Path) -> GalaxySet:
    """Return the galaxy set that the study in `folder` used.

    Raises
    ------
    gan.data.DataError
        If it is not there any more.
    """
    data = study.data
    if data.set != SYNTHETIC:
        return GalaxySet.open(data.set)
    sides = "-".join(map(str, sizes(study.model)))
    return GalaxySet.open(
        folder.resolve().parent / ".cache" / f"synthetic-{data.synthetic_count}-{sides}px-seed{data.seed}"
    )
