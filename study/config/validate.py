"""Checks that take a whole study: whether what its axes, presets and search ask for can be trained and searched."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.config.errors import ConfigError
from study.config.schema import locate
from study.config.search_space import Axis, Point, shown_point
from study.config.sections import SAMPLERS

if TYPE_CHECKING:
    from study.config.study import Study

LARGEST_GRID = 100_000


def check_study(study: Study) -> None:
    """Each end and choice of each axis, alone, and each preset, must make settings that exist; else `ConfigError`."""
    for axis in study.axes:
        key = f"axes.{axis.name}"
        where = locate(study.lines, key, study.file)
        for value in axis.values or (axis.low, axis.high, *_between(axis)):
            try:
                _try_alone(study, axis.as_point(value))
            except ConfigError as error:
                problem = f"{error.key} = {error.value!r} cannot be used"
                raise ConfigError(*where, key, value, error.hint, problem) from None
        if SAMPLERS[study.search.sampler].planned and not axis.levels():
            raise ConfigError(*where, key, None, "give it a step, or a choice", f"{study.search.sampler} needs levels")
    if study.search.sampler == "grid":
        _bound_grid(study)
    for name, point in study.presets.items():
        try:
            study.configure(point)
        except ConfigError as error:
            key = f"presets.{name}"
            raise ConfigError(*locate(study.lines, key, study.file), key, shown_point(point), str(error)) from None
    if not study.axes and (study.search.trials or 1) > study.fixed_trials and study.search.sampler != "ablation":
        hint = f"add axes, or set search.trials to {study.fixed_trials}"
        raise ConfigError(
            *locate(study.lines, "search.trials", study.file),
            "search.trials",
            study.search.trials,
            hint,
            "nothing varies",
        )
    if len(study.objective.metrics) > 1 and not SAMPLERS[study.search.sampler].several_objectives:
        able = [name for name, sampler in SAMPLERS.items() if sampler.several_objectives]
        where = locate(study.lines, "search.sampler", study.file)
        hint = f"expected one of {', '.join(able)} for several objectives"
        raise ConfigError(*where, "search.sampler", study.search.sampler, hint)


def _between(axis: Axis) -> tuple[float, ...]:
    """A value of a `float` axis that is not whole, if it has any."""
    if axis.kind != "float":
        return ()
    return axis.levels()[1:2] or (axis.low + (axis.high - axis.low) / math.sqrt(3),)


def _try_alone(study: Study, point: Point) -> None:
    """Raise `ConfigError` when a point works neither from the baseline nor with all other axes at their defaults."""
    try:
        study.configure(point)
    except ConfigError:
        study.configure_without_axes(point)


def _bound_grid(study: Study) -> None:
    count = math.prod(len(axis.levels()) for axis in study.axes)
    if count > LARGEST_GRID:
        hint = f"a grid of at most {LARGEST_GRID:,} points; use larger steps or another sampler"
        raise ConfigError(*locate(study.lines, "axes", study.file), "axes", None, hint, f"{count:,} combinations")
