"""The kinds of study, by the family of their model: types and checks only, nothing that trains.

A family whose studies are of another shape has a `Study` class here and a `Task` in `study.tasks.registry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gan.config import ModelConfig, TrainConfig
from gan.enhance.config import EnhanceTrainConfig, UNetConfig
from study.config import pair_smoke, smoke
from study.config.pair_sections import ENHANCERS, EnhanceObjectiveConfig, EnhancerConfig, PairDataConfig
from study.config.sections import DataConfig, ObjectiveConfig
from study.config.study import Study


@dataclass(frozen=True, kw_only=True)
class GalaxyStudy(Study):
    """A study of GANs that draw galaxies, from noise or by enlarging smaller ones."""

    data: DataConfig
    model: ModelConfig
    train: TrainConfig
    objective: ObjectiveConfig

    fixed: ClassVar[tuple[str, ...]] = ("model.image_size", "model.channels")

    @staticmethod
    def check_size(side: int) -> None:
        """See `Study`."""
        ModelConfig(image_size=side)

    @staticmethod
    def shrink(raw: dict[str, Any]) -> dict[str, Any]:
        """See `Study`."""
        return smoke.shrink(raw)


@dataclass(frozen=True, kw_only=True)
class EnhancerStudy(Study):
    """A study of U-Nets that enhance images of a shallow survey to the depth of another."""

    data: PairDataConfig
    model: EnhancerConfig
    train: EnhanceTrainConfig
    objective: EnhanceObjectiveConfig

    fixed: ClassVar[tuple[str, ...]] = ("model.image_size", "model.channels", "model.scale", "model.family")

    @staticmethod
    def check_size(side: int) -> None:
        """See `Study`."""
        UNetConfig(image_size=side, depth=1)

    @staticmethod
    def shrink(raw: dict[str, Any]) -> dict[str, Any]:
        """See `Study`."""
        return pair_smoke.shrink(raw)


STUDIES: dict[str, type[Study]] = dict.fromkeys(ENHANCERS, EnhancerStudy)
"""Families whose studies are not of GANs that draw galaxies."""


def study_type(family: object) -> type[Study]:
    """Return the class of a study whose `model.family` is `family`; one that is unknown is said to draw galaxies."""
    return STUDIES.get(family, GalaxyStudy) if isinstance(family, str) else GalaxyStudy
