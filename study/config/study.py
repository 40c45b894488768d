"""A search-space file, read once into frozen typed objects.

`load_study` is the only way in: it parses the YAML, applies overrides, checks every key, type, bound and
condition, and checks that the baseline and each axis make networks and training settings that can exist.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common.errors import FieldError
from gan.config import as_dict
from study.config.errors import ConfigError, InputError
from study.config.overrides import KEYS, SECTIONS, assign, override, remove
from study.config.schema import Lines, bind, field_types, locate, nearest, parse
from study.config.search_space import Axis, Point, grid, one_at_a_time, parse_axes, same
from study.config.sections import METRICS, SAMPLERS, ResourcesConfig, SchedulerConfig, SearchConfig
from study.config.validate import check_study
from study.tasks.task import Kind, kind_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A trial that is known before the search begins.

    Attributes
    ----------
    role : str
        `baseline`, `preset:NAME`, `grid`, or the name of the ablated axis.
    point : dict
        Values by config path.
    seed : int
        `train.seed` of the trial.
    """

    role: str
    point: Point
    seed: int


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything a search-space file says, checked; the types of four sections are those of its `kind`."""

    name: str
    description: str
    file: str
    data: Any
    model: Any
    train: Any
    objective: Any
    search: SearchConfig
    resources: ResourcesConfig
    axes: tuple[Axis, ...]
    presets: dict[str, Point]
    smoke: bool
    raw: dict[str, Any] = field(repr=False)
    lines: Lines = field(repr=False)

    @property
    def kind(self) -> Kind:
        """What the study is about."""
        return kind_of(self.model.family)

    def value(self, path: str) -> Any:
        """The file's value at a dotted path of `model` or `train`, defaults included; lists for tuples."""
        return _setting(path, self.model, self.train)

    def configure(self, point: Point, seed: int | None = None) -> tuple[Any, Any]:
        """Networks and training settings of a trial.

        Raises
        ------
        ConfigError
            The point makes settings that cannot exist.
        """
        raw = self._raw_networks()
        if seed is not None:
            raw["train"]["seed"] = seed
        return self._networks(raw, point)

    def configure_without_axes(self, point: Point) -> tuple[Any, Any]:
        """As `configure`, but what an axis sets and the point does not is left at its type's default."""
        raw = self._raw_networks()
        for axis in self.axes:
            for path in axis.values[0] if axis.kind == "points" else [axis.name]:
                remove(raw, path)
        return self._networks(raw, point)

    def _raw_networks(self) -> dict[str, Any]:
        return copy.deepcopy({name: self.raw.get(name) or {} for name in ("model", "train")})

    def _networks(self, raw: dict[str, Any], point: Point) -> tuple[Any, Any]:
        for path, value in point.items():
            assign(raw, path, value)
        return _networks(self.kind, raw, self.data.image_size, self.lines, self.file)

    def planned(self) -> list[Planned]:
        """Baseline, presets, and all of a grid or an ablation, in the order in which they run."""
        seed = self.train.seed
        trials = [Planned(role="baseline", point={}, seed=seed)] if self.search.baseline_first else []
        trials += [Planned(role=f"preset:{name}", point=point, seed=seed) for name, point in self.presets.items()]
        if self.search.sampler == "grid":
            trials += [
                Planned(role="grid", point=p, seed=seed)
                for p in grid(self.axes, self.value)
                if not (self.search.baseline_first and all(_same_as_file(self, k, v) for k, v in p.items()))
            ]
        if self.search.sampler == "ablation":
            once = trials + [Planned(role=n, point=p, seed=seed) for n, p in one_at_a_time(self.axes, self.value)]
            trials = [
                Planned(role=t.role, point=t.point, seed=seed + k) for k in range(self.search.repeats) for t in once
            ]
        return trials[: self.search.trials] if self.search.trials else trials

    @property
    def trials(self) -> int:
        """Trials in all."""
        if self.search.sampler in ("grid", "ablation"):
            return len(self.planned())
        return self.search.trials or (16 if self.axes else self.fixed_trials)

    @property
    def fixed_trials(self) -> int:
        """Trials of a search without axes: the baseline and the presets."""
        return max(1, len(self.presets) + self.search.baseline_first)

    @property
    def scheduler(self) -> SchedulerConfig:
        """The scheduler in force: none for several objectives or an ablation, which compares equal budgets."""
        if len(self.objective.metrics) > 1 or self.search.sampler == "ablation":
            return SchedulerConfig(name="none")
        return self.search.scheduler

    def resolved(self) -> dict[str, Any]:
        """The study as plain values with every default written out; what `digest` covers."""
        sections = {name: as_dict(getattr(self, name)) for name in SECTIONS}
        sections["model"].pop("image_size")
        return {
            "study": self.name,
            "description": self.description,
            **sections,
            "axes": copy.deepcopy(self.raw.get("axes") or {}),
            "presets": copy.deepcopy(self.presets),
        }

    def as_yaml(self) -> str:
        """`resolved` as a search-space file that runs the same study."""
        return yaml.safe_dump(self.resolved(), sort_keys=False, allow_unicode=True, width=120)

    def digest(self) -> str:
        """Hash of everything that decides a result; descriptions and resources may change between resumes."""
        content = {k: v for k, v in self.resolved().items() if k not in ("description", "resources")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _same_as_file(study: Study, path: str, value: Any) -> bool:
    return same(study.value(path), value)


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
        raw = study.kind.shrink(study.raw)
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
    kind = _kind(raw)
    types = {**kind.sections, "search": SearchConfig, "resources": ResourcesConfig}
    bound = {
        section: bind(types[section], raw.get(section) or {}, path=section, lines=lines, file=file)
        for section in SECTIONS
        if section not in ("model", "train")
    }
    networks = {s: raw.get(s) or {} for s in ("model", "train")}
    model, train = _networks(kind, networks, bound["data"].image_size, lines, file)
    paths = _axis_paths(kind)

    def base(path: str) -> Any:
        return _value_at(path, paths, model, train, lines, file)

    study = Study(
        name=name, description=description, file=file, model=model, train=train, **bound,
        axes=parse_axes(raw.get("axes"), lines=lines, file=file, base=base),
        presets=_presets(raw.get("presets"), lines, file, base),
        smoke=smoke, raw=raw, lines=lines,
    )  # fmt: skip
    check_study(study)
    return study


def _kind(raw: dict[str, Any]) -> Kind:
    family = (raw.get("model") or {}).get("family")
    return kind_of(family if isinstance(family, str) else None)


def _usable_name(name: str) -> bool:
    return 0 < len(name) <= 100 and all(c.isalnum() or c in "-_." for c in name) and name[0].isalnum()


def _check_keys(raw: dict[str, Any], lines: Lines, file: str) -> None:
    for key in raw:
        if key not in KEYS:
            raise ConfigError(*locate(lines, key, file), key, raw[key], nearest(key, KEYS), "unknown key")
    for section in SECTIONS:
        if raw.get(section) is not None and not isinstance(raw[section], dict):
            raise ConfigError(*locate(lines, section, file), section, raw[section], "expected a mapping")


def _networks(kind: Kind, raw: dict[str, Any], image_size: int, lines: Lines, file: str) -> tuple[Any, Any]:
    model = dict(raw["model"])
    if "image_size" in model:
        key = "model.image_size"
        raise ConfigError(
            *locate(lines, key, file), key, model["image_size"], "write it as data.image_size", "unknown key"
        )
    try:
        kind.check_size(image_size)
    except FieldError as error:
        key = "data.image_size"
        raise ConfigError(*locate(lines, key, file), key, image_size, f"expected {error.accepted}") from None
    model_lines = {**lines, "model.image_size": locate(lines, "data.image_size", file)}
    return (
        bind(kind.sections["model"], {**model, "image_size": image_size}, path="model", lines=model_lines, file=file),
        bind(kind.sections["train"], raw["train"], path="train", lines=lines, file=file),
    )


def _paths(cls: type, prefix: str) -> list[str]:
    paths: list[str] = []
    for name, kind in field_types(cls).items():
        nested = hasattr(kind, "__dataclass_fields__")
        paths += _paths(kind, f"{prefix}.{name}") if nested else [f"{prefix}.{name}"]
    return paths


def _axis_paths(kind: Kind) -> tuple[str, ...]:
    paths = _paths(kind.sections["model"], "model") + _paths(kind.sections["train"], "train")
    return tuple(path for path in paths if path not in kind.constant)


def _value_at(path: str, paths: tuple[str, ...], model: Any, train: Any, lines: Lines, file: str) -> Any:
    if path not in paths:
        key = next((k for k in lines if k.endswith(path) and k != path), path)
        close = difflib.get_close_matches(path, paths, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else "axes are paths of model and train, such as model.width"
        raise ConfigError(*locate(lines, key, file), path, None, hint, "no such setting")
    return _setting(path, model, train)


def _setting(path: str, model: Any, train: Any) -> Any:
    section, *rest = path.split(".")
    node: Any = {"model": model, "train": train}[section]
    for name in rest:
        node = getattr(node, name)
    return list(node) if isinstance(node, tuple) else node


def _presets(raw: Any, lines: Lines, file: str, base: Any) -> dict[str, Point]:
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
    found = sorted(str(p) for p in folder.glob("*.y*ml")) if folder.is_dir() else []
    return f"there: {', '.join(found[:8])}" if found else "give the path of a search-space file"


__all__ = ["METRICS", "SAMPLERS", "ConfigError", "InputError", "Study", "load_study"]
