"""The pairs of a study of enhancers: the set, and its division into what trains, what judges, and what judges last."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.errors import FieldError
from study.config.errors import ConfigError, InputError
from study.config.families import EnhancerStudy
from study.config.schema import locate
from study.tasks.split import MOST_HELD_OUT, SYNTHETIC, DatasetSplit, PairSplit
from study.tasks.task import Shown, TaskImages

if TYPE_CHECKING:
    from gan.datasets.pair_set import PairSet

FEWEST_JUDGED = 8
ASSUMED = 1000  # pairs, in the plan of a study whose set is not there


class PairImages(TaskImages[EnhancerStudy]):
    """The pair set of a study."""

    def check_networks(self) -> None:
        """See `TaskImages`: the configs say it all but for the features of the perceptual loss, which are a file."""
        from gan.enhance.models.perceptual import feature_loss

        study, loss = self.study, self.study.train.loss
        if loss.perceptual_weight and loss.features is not None:
            try:
                feature_loss(loss.features, channels=study.model.channels)
            except FieldError as error:
                key = "train.loss.features"
                where = locate(study.lines, key, study.file)
                raise ConfigError(*where, key, loss.features, f"expected {error.accepted}") from None

    def missing(self) -> str | None:
        """See `TaskImages`."""
        study = self.study
        if study.data.set == SYNTHETIC:
            return None
        from gan.data import DataError
        from gan.datasets.pair_set import PairSet

        file, line = locate(study.lines, "data.set", study.file)
        place = f"{file}:{line}" if line else file
        try:
            pairs = PairSet.open(study.data.set)
            for label in (study.data.train_label, study.data.judge_label):
                if label is not None:
                    pairs.of_class(label)
        except DataError as error:
            return (
                f"{place}: data.set = {study.data.set!r}: {error}\n"
                f"  From two surveys:  python -m gan.prepare --pairs SHALLOW DEEP --out {study.data.set}\n"
                f"  From deep images:  python -m gan.degrade DEEP --out {study.data.set}\n"
                "  Or do without:     --smoke, or --set data.set=synthetic"
            )
        held = {"data.image_size": pairs.size, "model.scale": pairs.scale, "model.channels": pairs.channels}
        asked = {
            "data.image_size": study.data.image_size,
            "model.scale": study.model.scale,
            "model.channels": study.model.channels,
        }
        wrong = [f"{key} = {asked[key]} (the set: {held[key]})" for key in held if held[key] != asked[key]]
        if wrong:
            return f"{place}: data.set = {study.data.set!r} does not fit the model: {', '.join(wrong)}"
        return None

    def expected(self, problems: list[str]) -> tuple[str, int]:
        """See `TaskImages`."""
        study = self.study
        count, name = study.data.synthetic_count, "synthetic pairs, drawn when the study starts"
        if study.data.set != SYNTHETIC:
            if problems and "data.set" in problems[0]:
                return f"{study.data.set}: cannot be used; {ASSUMED:,} pairs to train on are assumed", ASSUMED
            from gan.datasets.pair_set import PairSet

            pairs = PairSet.open(study.data.set)
            divided = _divide(study, pairs)
            return divided.describe(), len(divided.train)
        held = held_out_count(study, count)
        return f"{name}: about {count - held:,} to train on, {held:,} held out to judge", count - held

    def open(self, cache: Path) -> PairSplit:
        """See `TaskImages`."""
        study = self.study
        from gan.data import DataError
        from gan.datasets.pair_set import PairSet

        problem = self.missing()
        if problem:
            raise InputError(problem)
        try:
            pairs = _synthetic(study, cache) if study.data.set == SYNTHETIC else PairSet.open(study.data.set)
            return _divide(study, pairs)
        except DataError as error:
            raise InputError(str(error)) from None

    def measure_reference(self, split: DatasetSplit, cache: Path, progress: Shown) -> None:
        """See `TaskImages`: every pair has its own truth."""


def _synthetic(study: EnhancerStudy, cache: Path) -> PairSet:
    from gan.degrade import synthetic_pairs

    data, scale = study.data, study.model.scale
    folder = cache / f"synthetic-pairs-{data.synthetic_count}-{data.image_size}px-x{scale}-seed{data.seed}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return synthetic_pairs(folder, data.synthetic_count, size=data.image_size, scale=scale, seed=data.seed)


def held_out_count(study: EnhancerStudy, count: int, judged_share: float = 1.0) -> int:
    """Pairs to hold out of `count`, of which `judged_share` are of the class that is judged."""
    if study.data.held_out is not None:
        return study.data.held_out
    wanted = study.objective.samples + (study.objective.final_samples or study.objective.samples)
    return min(math.ceil(wanted / judged_share), int(count * MOST_HELD_OUT))


def _divide(study: EnhancerStudy, pairs: PairSet) -> PairSplit:
    data, batch = study.data, study.train.batch_size
    trainable, judgeable = (
        np.arange(len(pairs)) if label is None else pairs.of_class(label)
        for label in (data.train_label, data.judge_label)
    )
    held = held_out_count(study, len(pairs), len(judgeable) / len(pairs))
    train, out = pairs.split(held, data.seed)
    train, out = np.intersect1d(train, trainable), np.intersect1d(out, judgeable)
    if len(train) < batch:
        hint = f"at most {len(train)}: so many pairs are left to train on, {len(out)} are held out"
        raise ConfigError(
            *locate(study.lines, "train.batch_size", study.file), "train.batch_size", batch, hint, "too few pairs"
        )
    if len(out) < 2 * FEWEST_JUDGED:
        key = "data.judge_label" if data.judge_label else "data.held_out"
        hint = f"{len(out)} pairs would judge; a study needs {2 * FEWEST_JUDGED} or more: raise data.held_out"
        raise ConfigError(
            *locate(study.lines, key, study.file), key, data.judge_label or data.held_out, hint, "too few pairs"
        )
    out = np.random.default_rng([data.seed, len(out)]).permutation(out)
    final = study.objective.final_samples or study.objective.samples
    during = min(
        study.objective.samples,
        max(FEWEST_JUDGED, len(out) * study.objective.samples // (study.objective.samples + final)),
    )
    return PairSplit(
        path=Path(pairs.path).resolve(),
        train=train,
        reference=np.sort(out[:during]),
        held_out=True,
        content=pairs.content_hash,
        final=np.sort(out[during : during + final]),
        classes=(data.train_label, data.judge_label),
    )
