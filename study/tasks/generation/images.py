"""The galaxies of a study: the set, its division, and the catalogue of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import FieldError
from study.config.errors import ConfigError, InputError
from study.config.families import GalaxyStudy
from study.config.schema import locate
from study.tasks.generation.sampling import input_size, sizes
from study.tasks.split import MOST_HELD_OUT, SYNTHETIC, DatasetSplit, Rows
from study.tasks.task import Shown, TaskImages

if TYPE_CHECKING:
    import pandas as pd

    from gan.data import GalaxySet

FEWEST_HELD_OUT = 50
PAPER_GALAXIES = 61_578
ARCHIVE = "images_training_rev1.zip"
KAGGLE = f"kaggle competitions download -c galaxy-zoo-the-galaxy-challenge -f {ARCHIVE}"


class GalaxyImages(TaskImages[GalaxyStudy]):
    """The galaxy set of a study."""

    def check_networks(self) -> None:
        """See `TaskImages`; also when the first stage cannot feed them."""
        study = self.study
        from gan.models import check

        try:
            check(study.model)
        except FieldError as error:
            key = "data.image_size" if error.field == "image_size" else f"model.{error.field}"
            raise ConfigError(
                *locate(study.lines, key, study.file), key, error.value, f"expected {error.accepted}"
            ) from None
        _check_stage1(study)

    def missing(self) -> str | None:
        """See `TaskImages`."""
        study = self.study
        if study.data.set == SYNTHETIC:
            return None
        from gan.data import DataError, GalaxySet

        where = locate(study.lines, "data.set", study.file)
        place = f"{where[0]}:{where[1]}" if where[1] else where[0]
        try:
            galaxies = GalaxySet.open(study.data.set)
            if not {*sizes(study.model)} <= {*galaxies.sizes}:
                wanted = " ".join(map(str, sorted({*galaxies.sizes, *sizes(study.model)})))
                return (
                    f"{place}: data.image_size = {study.data.image_size}: {study.model.family} needs "
                    f"{' and '.join(map(str, sizes(study.model)))} px, and {study.data.set} holds "
                    f"{', '.join(map(str, galaxies.sizes))} px; "
                    f"prepare it again with `python -m gan.prepare SOURCE --out {study.data.set} --sizes {wanted}`"
                )
        except DataError as error:
            return (
                f"{place}: data.set = {study.data.set!r}: {error}\n"
                f"  Get Galaxy Zoo 2: {KAGGLE}\n"
                f"  Make the set:     python -m gan.prepare {ARCHIVE} --out {study.data.set} --sizes 64 128\n"
                "  Or do without:    --smoke, or --set data.set=synthetic"
            )
        return None

    def expected(self, problems: list[str]) -> tuple[str, int]:
        """See `TaskImages`; the paper's number where the set is not there."""
        study = self.study
        count, name = study.data.synthetic_count, "synthetic galaxies, drawn when the study starts"
        if study.data.set != SYNTHETIC:
            from gan.data import GalaxySet

            absent = bool(problems) and "data" in problems[0]
            count = PAPER_GALAXIES if absent else len(GalaxySet.open(study.data.set))
            name = f"{study.data.set}" + (f" (absent: the paper's {count:,} assumed)" if absent else "")
        held = held_out_count(study, count)
        if held == 0:
            return f"{name}: {count:,} to train on, the same as reference: too few to hold any out", count
        return f"{name}: {count - held:,} to train on, {held:,} held out as reference", count - held

    def open(self, cache: Path) -> DatasetSplit:
        """See `TaskImages`."""
        study = self.study
        from gan.data import DataError, GalaxySet

        problem = self.missing()
        if problem:
            raise InputError(problem)
        try:
            if study.data.set == SYNTHETIC:
                galaxies = _synthetic(study, cache)
            else:
                galaxies = GalaxySet.open(study.data.set)
                _check_channels(study, galaxies)
            train, reference, held_out = _divide(study, galaxies)
            return DatasetSplit(Path(galaxies.path).resolve(), train, reference, held_out, galaxies.content_hash)
        except DataError as error:
            raise InputError(str(error)) from None

    def measure_reference(self, split: DatasetSplit, cache: Path, progress: Shown) -> pd.DataFrame:
        """See `TaskImages`: measured once per content, settings and engine, then reused."""
        from eval.measure import cached_catalogue
        from gan.data import GalaxySet

        images = GalaxySet.open(split.path).images(self.study.data.image_size)[split.reference]
        return cached_catalogue(images, cache / "catalogues", engine=self.study.objective.engine, progress=progress)


def _synthetic(study: GalaxyStudy, cache: Path) -> GalaxySet:
    from gan.datasets.synthetic import cache_folder, synthetic_set

    data = study.data
    _enough(study, data.synthetic_count, "data.synthetic_count")
    folder = cache_folder(cache, count=data.synthetic_count, sizes=sizes(study.model), seed=data.seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return synthetic_set(folder, data.synthetic_count, sizes=sizes(study.model), seed=data.seed)


def _check_channels(study: GalaxyStudy, galaxies: GalaxySet) -> None:
    if galaxies.channels != study.model.channels:
        raise ConfigError(
            *locate(study.lines, "model.channels", study.file),
            "model.channels",
            study.model.channels,
            f"{galaxies.path} has {galaxies.channels} channels",
        )


def _enough(study: GalaxyStudy, count: int, key: str) -> None:
    where = locate(study.lines, "objective.samples", study.file)
    if study.objective.samples > count:
        hint = f"lower it to at most {count}, or use a larger set ({key})"
        problem = f"too few images: the set has {count:,} galaxies"
        raise ConfigError(*where, "objective.samples", study.objective.samples, hint, problem)


def held_out_count(study: GalaxyStudy, count: int) -> int:
    """Galaxies to hold out of `count`; 0 where the file asks for no number and a quarter would be too few to judge."""
    if study.data.held_out is not None:
        return study.data.held_out
    held = min(study.objective.samples, int(count * MOST_HELD_OUT))
    return held if held >= FEWEST_HELD_OUT else 0


def _divide(study: GalaxyStudy, galaxies: GalaxySet) -> tuple[Rows, Rows, bool]:
    count = len(galaxies)
    _enough(study, count, "data.set")
    batch = study.train.batch_size
    wanted = study.data.held_out
    if wanted is not None and count - wanted < batch:
        where = locate(study.lines, "data.held_out", study.file)
        hint = f"leave at least {batch} of the {count} galaxies for training"
        raise ConfigError(*where, "data.held_out", wanted, hint)
    held = held_out_count(study, count)
    if count - held < batch:
        where = locate(study.lines, "train.batch_size", study.file)
        hint = f"at most {count - held}: the set has {count} galaxies, {held} of them held out"
        raise ConfigError(*where, "train.batch_size", batch, hint, "too few images")
    if held == 0:
        everything = np.arange(count)
        return everything, everything, False
    train, reference = galaxies.split(held, study.data.seed)
    return train, reference, True


def _check_stage1(study: GalaxyStudy) -> None:
    stage1 = study.objective.stage1
    if stage1 is None:
        return
    where = locate(study.lines, "objective.stage1", study.file)
    side = input_size(study.model)
    if side is None:
        hint = f"leave it out: {study.model.family} draws galaxies from noise"
        raise ConfigError(*where, "objective.stage1", stage1, hint)
    from gan.training.checkpoint import CheckpointError, load_generator

    try:
        _, first = load_generator(stage1)
    except (CheckpointError, OSError) as error:
        raise ConfigError(*where, "objective.stage1", stage1, "expected a checkpoint", str(error)) from None
    if first.image_size != side:
        hint = f"expected a generator of {side} px, this one draws {first.image_size} px"
        raise ConfigError(*where, "objective.stage1", stage1, hint)
