"""The axes of a search: what may vary, within what bounds, and under which condition."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from study.config.errors import ConfigError
from study.config.schema import Lines, locate, nearest

Point = dict[str, Any]
"""Values by dotted config path: what distinguishes one trial from the baseline file."""

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "below": lambda value, bound: value is not None and value < bound,
    "above": lambda value, bound: value is not None and value > bound,
    "equals": lambda value, bound: value == bound,
    "one_of": lambda value, bound: value in bound,
}


@dataclass(frozen=True)
class Condition:
    """`path` of the trial, compared with `value`; an absent number is neither below nor above anything."""

    path: str
    operator: str
    value: Any

    def holds(self, actual: Any) -> bool:
        """Whether the condition holds for the value that the trial has at `path`."""
        return _OPERATORS[self.operator](actual, self.value)


@dataclass(frozen=True)
class Axis:
    """One dimension of the search.

    Attributes
    ----------
    name : str
        Dotted config path; for `points`, any name.
    kind : {"int", "float", "choice", "points"}
        `points` moves several paths together: each of its values is a mapping of paths.
    low, high : float or None
        Inclusive bounds of `int` and `float`.
    step : float or None
        Lattice of the bounds.
    log : bool
        Uniform in the logarithm.
    values : tuple
        Of `choice` and `points`.
    when : tuple of Condition
        All must hold, or the axis keeps its value from the file.
    """

    name: str
    kind: Literal["int", "float", "choice", "points"]
    low: Any = None
    high: Any = None
    step: Any = None
    log: bool = False
    values: tuple[Any, ...] = ()
    when: tuple[Condition, ...] = field(default=())

    def as_point(self, value: Any) -> Point:
        """The config paths that `value` sets."""
        return dict(value) if self.kind == "points" else {self.name: value}

    def levels(self) -> tuple[Any, ...]:
        """All values of a finite axis; empty for a continuous one."""
        if self.kind in ("choice", "points"):
            return self.values
        if self.kind == "int" and not self.log:
            return tuple(range(self.low, self.high + 1, self.step or 1))
        if self.step is None:
            return ()
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(float(f"{self.low + i * self.step:.12g}") for i in range(count))

    def contains(self, value: Any) -> bool:
        """Whether a value from the file is one that this axis could take."""
        if self.kind in ("choice", "points"):
            return any(same(value, v) for v in self.values)
        if value is None or isinstance(value, (bool, str, list, tuple, dict)):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        offset = (value - self.low) / self.step
        return abs(offset - round(offset)) < 1e-9

    def describe(self) -> str:
        """Bounds in a few words."""
        if self.kind == "choice":
            text = "{" + ", ".join(shown(v) for v in self.values) + "}"
        elif self.kind == "points":
            text = "{" + "; ".join(shown_point(v) for v in self.values) + "}"
        else:
            text = f"[{self.low:g}, {self.high:g}]" + (f" step {self.step:g}" if self.step else "")
            text += " log" if self.log else ""
        for condition in self.when:
            text += f" when {condition.path} {condition.operator.replace('_', ' ')} {shown(condition.value)}"
        return text


def same(a: Any, b: Any) -> bool:
    """Equality that keeps `true` apart from 1 and takes lists and tuples alike."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True) or (
        a == b and not isinstance(a, bool) and not isinstance(b, bool)
    )


def shown(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(shown(v) for v in value) + ")"
    return str(value)


def shown_point(point: Mapping[str, Any]) -> str:
    """A point as `name=value` pairs, each name without its section."""
    return " ".join(f"{short(path)}={shown(value)}" for path, value in point.items())


def short(path: str) -> str:
    """The last part of a dotted path, with its parent where that is `dropout` (`dropout.p`)."""
    parts = path.split(".")
    return ".".join(parts[-2:]) if len(parts) > 2 else parts[-1]


def parse_axes(raw: Any, *, lines: Lines, file: str, base: Callable[[str], Any]) -> tuple[Axis, ...]:
    """Read the `axes` section.

    Parameters
    ----------
    raw : mapping
        Axis name to its specification.
    base : callable
        Value of a dotted path in the file; raises `ConfigError` for a path that does not exist.

    Returns
    -------
    tuple of Axis
        In an order in which every condition's axis comes before the axis that depends on it.
    """
    if raw is None:
        return ()
    where = lambda key: locate(lines, key, file)  # noqa: E731
    if not isinstance(raw, dict):
        raise ConfigError(*where("axes"), "axes", raw, "expected a mapping of config paths to bounds")
    axes = tuple(_parse_axis(name, spec, lines, file, base) for name, spec in raw.items() if spec is not None)
    _refuse_overlap(axes, where)
    return _ordered(axes, where)


def _refuse_overlap(axes: tuple[Axis, ...], where: Callable[[str], tuple[str, int | None]]) -> None:
    owner: dict[str, str] = {}
    for axis in axes:
        for path in {p for v in axis.values for p in v} if axis.kind == "points" else {axis.name}:
            if path in owner:
                key = f"axes.{axis.name}"
                raise ConfigError(*where(key), key, None, "let one axis set it", f"{path} is set by {owner[path]} too")
            owner[path] = axis.name


def _ordered(axes: tuple[Axis, ...], where: Callable[[str], tuple[str, int | None]]) -> tuple[Axis, ...]:
    sets = {axis.name: set(axis.values[0]) if axis.kind == "points" else {axis.name} for axis in axes}
    known = set().union(*sets.values())
    for axis in axes:
        for condition in axis.when:
            if condition.path not in known:
                key = f"axes.{axis.name}.when.{condition.path}"
                raise ConfigError(*where(key), key, None, nearest(condition.path, known), "is not an axis")
            if condition.operator in ("below", "above") and not all(map(_comparable, _taken(axes, condition.path))):
                key = f"axes.{axis.name}.when.{condition.path}"
                hint = "use equals or one_of"
                raise ConfigError(*where(key), key, None, hint, f"{condition.path} is not always a number")
    ordered: list[Axis] = []
    waiting = list(axes)
    while waiting:
        pending = set().union(*(sets[axis.name] for axis in waiting))
        ready = [axis for axis in waiting if not any(c.path in pending for c in axis.when)]
        if not ready:
            key = f"axes.{waiting[0].name}.when"
            raise ConfigError(*where(key), key, None, "drop one of the conditions", "depends on itself")
        ordered += ready
        waiting = [axis for axis in waiting if axis not in ready]
    return tuple(ordered)


def _taken(axes: tuple[Axis, ...], path: str) -> list[Any]:
    """All values that the axes list for a path."""
    return [point[path] for axis in axes for point in map(axis.as_point, axis.values) if path in point]


def _comparable(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))


_KINDS = ("int", "float", "choice", "points")


def _parse_axis(name: str, spec: Any, lines: Lines, file: str, base: Callable[[str], Any]) -> Axis:
    key = f"axes.{name}"
    where = locate(lines, key, file)
    if not isinstance(spec, dict):
        raise ConfigError(
            *where, key, spec, "expected one of {int: [low, high]}, {float: [low, high]}, {choice: [...]}"
        )
    kinds = [k for k in _KINDS if k in spec]
    if len(kinds) != 1:
        raise ConfigError(*where, key, spec, "expected exactly one of int, float, choice, points")
    kind = kinds[0]
    allowed = {kind, "when"} | ({"step", "log"} if kind in ("int", "float") else set())
    for word in spec:
        if word not in allowed:
            raise ConfigError(
                *locate(lines, f"{key}.{word}", file),
                f"{key}.{word}",
                spec[word],
                nearest(word, allowed),
                "unknown key",
            )
    when = _parse_when(spec.get("when"), key, lines, file, base)
    if kind == "points":
        return Axis(name, "points", values=_parse_points(spec[kind], f"{key}.points", lines, file, base), when=when)
    base(name)
    if kind == "choice":
        values = _distinct_list(spec[kind], f"{key}.choice", lines, file)
        return Axis(name, "choice", values=values, when=when)
    return _parse_range(name, kind, spec, when, lines, file)


def _distinct_list(values: Any, key: str, lines: Lines, file: str) -> tuple[Any, ...]:
    where = locate(lines, key, file)
    if not isinstance(values, list) or not values:
        raise ConfigError(*where, key, values, "expected a list of at least one value")
    for i, value in enumerate(values):
        if any(same(value, other) for other in values[:i]):
            raise ConfigError(*where, key, value, "list each value once", "appears twice")
    return tuple(values)


def _parse_points(values: Any, key: str, lines: Lines, file: str, base: Callable[[str], Any]) -> tuple[Any, ...]:
    points = _distinct_list(values, key, lines, file)
    where = locate(lines, key, file)
    for point in points:
        if not isinstance(point, dict) or not point:
            raise ConfigError(*where, key, point, "each point is a mapping of config paths to values")
        if set(point) != set(points[0]):
            raise ConfigError(*where, key, point, f"every point sets {', '.join(points[0])}")
        for path in point:
            base(path)
    return points


def _parse_range(name: str, kind: Any, spec: dict, when: tuple[Condition, ...], lines: Lines, file: str) -> Axis:
    key = f"axes.{name}.{kind}"
    where = locate(lines, key, file)
    bounds, step, log = spec[kind], spec.get("step"), spec.get("log", False)

    def number(value: Any) -> bool:
        whole = kind == "float" or isinstance(value, int)
        return whole and isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15

    noun = "whole numbers" if kind == "int" else "numbers"
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(number, bounds)):
        raise ConfigError(*where, key, bounds, f"expected [low, high], two {noun}")
    low, high = bounds
    if low >= high:
        raise ConfigError(*where, key, bounds, "expected low < high", "bounds out of order")
    if not isinstance(log, bool):
        raise ConfigError(*where, f"axes.{name}.log", log, "expected true or false")
    if log and low <= 0:
        raise ConfigError(*where, key, bounds, "expected low > 0 on a log axis")
    if step is not None and (not number(step) or not 0 < step <= high - low or log):
        hint = "drop step on a log axis" if log else f"expected a positive step of at most {high - low:g}"
        raise ConfigError(*locate(lines, f"axes.{name}.step", file), f"axes.{name}.step", step, hint)
    if step is not None and (high - low) / step > 100_000:
        raise ConfigError(
            *locate(lines, f"axes.{name}.step", file), f"axes.{name}.step", step, "expected a larger step"
        )
    if kind == "float":
        low, high = float(low), float(high)
    return Axis(name, kind, low=low, high=high, step=step, log=log, when=when)


def _parse_when(raw: Any, key: str, lines: Lines, file: str, base: Callable[[str], Any]) -> tuple[Condition, ...]:
    key = f"{key}.when"
    where = locate(lines, key, file)
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        raise ConfigError(*where, key, raw, "expected {path: {below | above | equals | one_of: value}}")
    conditions = []
    for path, test in raw.items():
        base(path)
        if not isinstance(test, dict) or len(test) != 1 or next(iter(test)) not in _OPERATORS:
            raise ConfigError(*where, f"{key}.{path}", test, f"expected one of {', '.join(_OPERATORS)} with a value")
        operator, value = next(iter(test.items()))
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if operator in ("below", "above") and not numeric:
            raise ConfigError(*where, f"{key}.{path}.{operator}", value, "expected a number")
        if operator == "one_of" and not isinstance(value, list):
            raise ConfigError(*where, f"{key}.{path}.one_of", value, "expected a list")
        conditions.append(Condition(path, operator, value))
    return tuple(conditions)


def walk(axes: tuple[Axis, ...], base: Callable[[str], Any], suggest: Callable[[Axis], Any]) -> Point:
    """Build a point axis by axis, leaving out those whose condition does not hold.

    Parameters
    ----------
    axes : tuple of Axis
        From `parse_axes`.
    base : callable
        The file's value at a path.
    suggest : callable
        Gives a value for an active axis.
    """
    point: Point = {}
    for axis in axes:
        if all(c.holds(point[c.path] if c.path in point else base(c.path)) for c in axis.when):
            point.update(axis.as_point(suggest(axis)))
    return point


def grid(axes: tuple[Axis, ...], base: Callable[[str], Any]) -> Iterator[Point]:
    """Every distinct combination of levels, conditions respected."""
    seen: set[str] = set()
    for combination in itertools.product(*(axis.levels() for axis in axes)):
        level = dict(zip((axis.name for axis in axes), combination, strict=True))
        point = walk(axes, base, functools.partial(_level_of, level))
        key = json.dumps(point, sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield point


def _level_of(level: dict[str, Any], axis: Axis) -> Any:
    return level[axis.name]


def one_at_a_time(axes: tuple[Axis, ...], base: Callable[[str], Any]) -> Iterator[tuple[str, Point]]:
    """The ablation of F&M sec. 3.2: each level of each axis that differs from the baseline, the rest as in the file.

    Yields
    ------
    name, point : str, dict
        The axis that was moved and what it sets. Conditions are ignored: an ablation moves one factor on purpose.
    """
    for axis in axes:
        for value in axis.levels():
            point = axis.as_point(value)
            if not all(same(v, base(path)) for path, v in point.items()):
                yield axis.name, point
