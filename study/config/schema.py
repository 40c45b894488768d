"""Binds YAML to frozen dataclasses: every key and type checked, every error with its line."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union

import yaml

from common.errors import FieldError
from study.config.errors import ConfigError

Lines = dict[str, tuple[str, int | None]]
"""Where each dotted key was set: (file, line)."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, but `2e-4` is a number, as everybody expects."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
        |\.[0-9_]+(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
        re.X,
    ),
    list("-+0123456789."),
)


def parse(text: str, file: str | Path) -> tuple[dict[str, Any], Lines]:
    """Parse YAML text into plain values and the line on which each dotted key stands.

    Parameters
    ----------
    text : str
        A YAML mapping.
    file : str or Path
        Named in errors.

    Raises
    ------
    ConfigError
        Not YAML, not a mapping, a key that is not a string or is set twice.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(file, mark.line + 1 if mark else None, "YAML", None, str(problem), "cannot be read") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(file, 1, "file", None, "expected a mapping that begins with `study: NAME`", "not a study")
    lines: Lines = {}
    return _plain(node, str(file), "", lines, frozenset()), lines


def _plain(node: yaml.Node, file: str, path: str, lines: Lines, above: frozenset[int]) -> Any:
    if id(node) in above:
        raise ConfigError(file, node.start_mark.line + 1, path, None, "remove the anchor", "refers to itself")
    above = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.value == "<<":
                raise ConfigError(
                    file, line, path or "file", None, "write the keys out", "merge keys are not supported"
                )
            key = _scalar(key_node, file, path)
            if not isinstance(key, str):
                raise ConfigError(file, line, path or "file", key, "keys are words", "is not a valid key")
            dotted = f"{path}.{key}" if path else key
            if key in values:
                raise ConfigError(file, line, dotted, None, "keep one of the two", "is set twice")
            lines[dotted] = (file, line)
            values[key] = _plain(value_node, file, dotted, lines, above)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, file, f"{path}[{i}]", lines, above) for i, item in enumerate(node.value)]
    return _scalar(node, file, path)


def _scalar(node: yaml.Node, file: str, path: str) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(file, node.start_mark.line + 1, path or "file", None, "keys are words", "is not a valid key")
    constructor = _Loader("")
    try:
        value = constructor.construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(
            file, node.start_mark.line + 1, path or "file", node.value, "write it plainly", str(error).splitlines()[0]
        ) from None
    finally:
        constructor.dispose()
    if value is not None and not isinstance(value, (str, int, float)):
        problem = f"is read as a {type(value).__name__}"
        raise ConfigError(file, node.start_mark.line + 1, path, node.value, "put it in quotes", problem)
    return value


def nearest(key: str, valid: Iterable[str]) -> str:
    """A hint: the closest valid key, or all of them."""
    valid = sorted(valid)
    close = difflib.get_close_matches(key, valid, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid keys: {', '.join(valid)}"


def locate(lines: Lines, key: str, default: str) -> tuple[str, int | None]:
    """File and line of a dotted key, or of the closest enclosing key that was written."""
    while key:
        if key in lines:
            return lines[key]
        key = key.rpartition(".")[0]
    return default, None


def bind(cls: type, values: Any, *, path: str, lines: Lines, file: str) -> Any:
    """Make a dataclass from a mapping.

    Parameters
    ----------
    cls : type
        A frozen dataclass with annotated, keyword-only fields.
    values : mapping
        Plain values by field name.
    path : str
        Dotted path of the mapping, for errors.
    lines : dict
        From `parse`.
    file : str
        Named where a line is unknown.

    Raises
    ------
    ConfigError
        An unknown key, a value of the wrong type, or one that the dataclass refuses.
    """
    where = lambda key: locate(lines, key, file)  # noqa: E731
    if not isinstance(values, dict):
        raise ConfigError(*where(path), path, values, f"expected a mapping with {', '.join(field_types(cls))}")
    hints = field_types(cls)
    bound: dict[str, Any] = {}
    for key, value in values.items():
        dotted = f"{path}.{key}" if path else key
        if key not in hints:
            raise ConfigError(*where(dotted), dotted, value, nearest(key, hints), "unknown key")
        bound[key] = _coerce(hints[key], value, dotted, lines, file)
    for field in dataclasses.fields(cls):
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if missing and field.name not in bound:
            dotted = f"{path}.{field.name}" if path else field.name
            raise ConfigError(*where(path), dotted, None, "it has no default", "is missing")
    try:
        return cls(**bound)
    except FieldError as error:
        dotted = f"{path}.{error.field}" if path else error.field
        raise ConfigError(*where(dotted), dotted, error.value, f"expected {error.accepted}") from None


def field_types(cls: type) -> dict[str, Any]:
    """Field names of a dataclass and their resolved annotations."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _coerce(kind: Any, value: Any, path: str, lines: Lines, file: str) -> Any:
    origin = typing.get_origin(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return bind(kind, value, path=path, lines=lines, file=file)
    if origin in (Union, types.UnionType):
        return _coerce_union(kind, value, path, lines, file)
    fits, result = _fit(kind, value)
    if fits:
        return result
    raise ConfigError(*locate(lines, path, file), path, value, f"expected {describe(kind)}")


def _coerce_union(kind: Any, value: Any, path: str, lines: Lines, file: str) -> Any:
    arms = typing.get_args(kind)
    if value is None and type(None) in arms:
        return None
    for arm in arms:
        if dataclasses.is_dataclass(arm) and isinstance(value, dict):
            return _coerce(arm, value, path, lines, file)
        fits, result = _fit(arm, value)
        if fits:
            return result
    raise ConfigError(*locate(lines, path, file), path, value, f"expected {describe(kind)}")


def _fit(kind: Any, value: Any) -> tuple[bool, Any]:
    """Whether a plain value is of the annotated type, and the value as that type."""
    origin = typing.get_origin(kind)
    if kind is Any:
        return True, value
    if origin is Literal:
        return isinstance(value, (str, int)) and value in typing.get_args(kind), value
    if kind is bool:
        return isinstance(value, bool), value
    if kind is int:
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return True, int(value)
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53, value
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
        return number, float(value) if number else value
    if kind is str:
        return isinstance(value, str), value
    if origin is tuple:
        return _fit_tuple(typing.get_args(kind), value)
    if kind is dict or origin is dict:
        return isinstance(value, dict), value
    return isinstance(kind, type) and isinstance(value, kind), value


def _fit_tuple(arms: tuple[Any, ...], value: Any) -> tuple[bool, Any]:
    if not isinstance(value, (list, tuple)):
        return False, value
    if len(arms) == 2 and arms[1] is Ellipsis:
        arms = (arms[0],) * len(value)
    if len(arms) != len(value):
        return False, value
    fitted = [_fit(arm, item) for arm, item in zip(arms, value, strict=True)]
    return all(fits for fits, _ in fitted), tuple(item for _, item in fitted)


def describe(kind: Any) -> str:
    """An annotation in words."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(arm) for arm in typing.get_args(kind))
    if origin is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if origin is tuple:
        arms = typing.get_args(kind)
        inner = describe(arms[0])
        return f"a list of {inner}" if arms[-1] is Ellipsis else f"a list of {len(arms)} ({inner})"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", dict: "a mapping"}
    return "null" if kind is type(None) else names.get(kind, getattr(kind, "__name__", str(kind)))
