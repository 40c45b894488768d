"""Changes to the contents of a search-space file before it is read: `--set KEY=VALUE`, and points of the search."""

from __future__ import annotations

from typing import Any

from study.config.errors import ConfigError
from study.config.schema import Lines, nearest, parse

SECTIONS = ("data", "model", "train", "objective", "search", "resources")
KEYS = ("study", "description", *SECTIONS, "axes", "presets")


def assign(raw: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, making the mappings on the way."""
    *parents, last = path.split(".")
    node = raw
    for name in parents:
        child = node.get(name)
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child
    node[last] = value


def remove(raw: dict[str, Any], path: str) -> None:
    """Take the value at a dotted path out, if there is one."""
    *parents, last = path.split(".")
    node: Any = raw
    for name in parents:
        node = node.get(name)
        if not isinstance(node, dict):
            return
    node.pop(last, None)


def override(raw: dict[str, Any], lines: Lines, text: str) -> None:
    """Apply one `--set KEY=VALUE` to a file's contents and lines; raises `ConfigError`."""
    key, equals, value_text = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(
            "--set", None, text, None, "expected key=value, such as train.epochs=50", "is not an override"
        )
    parsed, _ = parse(f"value: {value_text}", "--set")
    value = parsed["value"]
    section, _, rest = key.partition(".")
    if section in ("axes", "presets") and rest:
        if not isinstance(raw.get(section), dict):
            raw[section] = {}
        if value is None:
            raw[section].pop(rest, None)
        else:
            raw[section][rest] = value
    else:
        if not isinstance(raw.get(section), (dict, type(None))) and rest:
            raise ConfigError("--set", None, key, value, nearest(section, KEYS), "unknown key")
        assign(raw, key, value)
    parts = key.split(".")
    for depth in range(1, len(parts)):
        lines.setdefault(".".join(parts[:depth]), ("--set", None))
    lines[key] = ("--set", None)
