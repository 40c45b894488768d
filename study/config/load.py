"""Reading a search-space file into a frozen `Study`.

`load_study` is the only way in: it parses the YAML, applies overrides, checks every key, type, bound and
condition, and checks that the baseline and each axis make networks and training settings that can exist.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from study.config.errors import ConfigError
from study.config.families import study_type
from study.config.overrides import KEYS, SECTIONS, override
from study.config.schema import Lines, bind, locate, nearest, parse
from study.config.search_space import Point, parse_axes
from study.config.study import Study, setting_of
from study.config.validate import check_study


def load_study(path: str | Path, overrides: Sequence[str] = (), *, smoke: bool = False) -> Study:
    """Read a search-space file.

    Parameters
    ----------
    path : str or Path
        YAML file.
    overrides : sequence of str
        `key=value` with dotted keys; the value is read as YAML. `axes.PATH=null` removes an axis.
    smoke : bool
        Shrink the study to minutes on a laptop CPU (see `study.config.smoke`).

    Returns
    -------
    Study

    Raises
    ------
    ConfigError
        With file, line, key, value and what would be accepted.
    """
    file = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(file, None, "file", None, _other_spaces(Path(path)), "does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(file, None, "file", None, str(error), "cannot be read") from None
    raw, lines = parse(text, file)
    for setting in overrides:
        override(raw, lines, setting)
    if smoke:
        study = _build(raw, lines, file, smoke=False)
        raw = study.shrink(study.raw)
    return _build(raw, lines, file, smoke)


def _build(raw: dict[str, Any], lines: Lines, file: str, smoke: bool) -> Study:
    _check_keys(raw, lines, file)
    name = raw.get("study")
    if not isinstance(name, str) or not _usable_name(name):
        hint = "expected a name of letters, digits, '-', '_' and '.', at most 100 long"
        raise ConfigError(*locate(lines, "study", file), "study", name, hint)
    description = raw.get("description") or ""
    if not isinstance(description, str):
        raise ConfigError(*locate(lines, "description", file), "description", description, "expected text")
    cls = study_type((raw.get("model") or {}).get("family"))
    types = cls.section_types()
    bound = {
        section: bind(types[section], raw.get(section) or {}, path=section, lines=lines, file=file)
        for section in SECTIONS
        if section not in ("model", "train")
    }
    networks = {s: raw.get(s) or {} for s in ("model", "train")}
    model, train = cls.networks(networks, bound["data"].image_size, lines, file)
    paths = cls.axis_paths()

    def base(path: str) -> Any:
        _check_path(path, paths, lines, file)
        return setting_of(path, model, train)

    study = cls(
        name=name, description=description, file=file, model=model, train=train, **bound,
        axes=parse_axes(raw.get("axes"), lines=lines, file=file, base=base),
        presets=_presets(raw.get("presets"), lines, file, base),
        smoke=smoke, raw=raw, lines=lines,
    )  # fmt: skip
    check_study(study)
    return study


def _usable_name(name: str) -> bool:
    return 0 < len(name) <= 100 and all(c.isalnum() or c in "-_." for c in name) and name[0].isalnum()


def _check_keys(raw: dict[str, Any], lines: Lines, file: str) -> None:
    for key in raw:
        if key not in KEYS:
            raise ConfigError(*locate(lines, key, file), key, raw[key], nearest(key, KEYS), "unknown key")
    for section in SECTIONS:
        if raw.get(section) is not None and not isinstance(raw[section], dict):
            raise ConfigError(*locate(lines, section, file), section, raw[section], "expected a mapping")


def _check_path(path: str, paths: tuple[str, ...], lines: Lines, file: str) -> None:
    if path not in paths:
        key = next((k for k in lines if k.endswith(path) and k != path), path)
        close = difflib.get_close_matches(path, paths, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "axes are paths of model and train, such as model.width"
        raise ConfigError(*locate(lines, key, file), path, None, hint, "no such setting")


def _presets(raw: Any, lines: Lines, file: str, base: Callable[[str], Any]) -> dict[str, Point]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not all(isinstance(p, dict) for p in raw.values()):
        raise ConfigError(*locate(lines, "presets", file), "presets", raw, "expected {NAME: {path: value}}")
    for point in raw.values():
        for path in point:
            base(path)
    return {name: dict(point) for name, point in raw.items()}


def _other_spaces(path: Path) -> str:
    folder = path.parent
    found = sorted(str(p) for p in folder.glob("*.y*ml") if not p.name.startswith(".")) if folder.is_dir() else []
    return f"there: {', '.join(found[:8])}" if found else "give the path of a search-space file"
