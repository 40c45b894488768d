"""A study's settings: everything a search-space file says, frozen and checked."""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig, as_dict
from gan.enhance.config import EnhanceTrainConfig
from study.config.errors import ConfigError
from study.config.overrides import SECTIONS, assign, remove
from study.config.pair_sections import EnhanceObjectiveConfig, EnhancerConfig, PairDataConfig
from study.config.schema import Lines, bind, field_types, locate
from study.config.search_space import Axis, Point, grid, one_at_a_time, same
from study.config.sections import SAMPLERS, DataConfig, ObjectiveConfig, ResourcesConfig, SchedulerConfig, SearchConfig

Model = ModelConfig | EnhancerConfig
Train = TrainConfig | EnhanceTrainConfig


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
class Study(ABC):
    """Everything a search-space file says, checked; of what kind, `study.config.families` says.

    Attributes
    ----------
    name, description, file : str
        `study:` and `description:` of the file, and its path.
    data, model, train, objective, search, resources : dataclass
        The sections of the file.
    axes, presets : tuple of Axis, dict of str to dict
        What is searched.
    smoke : bool
        Whether the study was shrunk.
    raw, lines : dict
        The contents of the file, and where each key stands.
    fixed : tuple of str
        Dotted settings that no axis may vary.
    """

    name: str
    description: str
    file: str
    data: DataConfig | PairDataConfig
    model: Model
    train: Train
    objective: ObjectiveConfig | EnhanceObjectiveConfig
    search: SearchConfig
    resources: ResourcesConfig
    axes: tuple[Axis, ...]
    presets: dict[str, Point]
    smoke: bool
    raw: dict[str, Any] = field(repr=False)
    lines: Lines = field(repr=False)

    fixed: ClassVar[tuple[str, ...]]

    @staticmethod
    @abstractmethod
    def check_size(side: int) -> None:
        """Raise `FieldError` when no model has images of that side, in pixels."""

    @staticmethod
    @abstractmethod
    def shrink(raw: dict[str, Any]) -> dict[str, Any]:
        """Return the contents of a file made small, for `--smoke`."""

    @classmethod
    def section_types(cls) -> dict[str, Any]:
        """Return the dataclass of each section of the file, by its name."""
        types = field_types(cls)
        return {name: types[name] for name in SECTIONS}

    @classmethod
    def axis_paths(cls) -> tuple[str, ...]:
        """Return the dotted settings that axes and presets may vary."""
        types = cls.section_types()
        paths = _paths(types["model"], "model") + _paths(types["train"], "train")
        return tuple(path for path in paths if path not in cls.fixed)

    @classmethod
    def networks(cls, raw: dict[str, Any], image_size: int, lines: Lines, file: str) -> tuple[Any, Any]:
        """Return the sections `model` and `train` from their raw contents.

        Raises
        ------
        ConfigError
            If a setting cannot exist.
        """
        model = dict(raw["model"])
        if "image_size" in model:
            key = "model.image_size"
            raise ConfigError(
                *locate(lines, key, file), key, model["image_size"], "write it as data.image_size", "unknown key"
            )
        try:
            cls.check_size(image_size)
        except FieldError as error:
            key = "data.image_size"
            raise ConfigError(*locate(lines, key, file), key, image_size, f"expected {error.accepted}") from None
        types, model_lines = cls.section_types(), {**lines, "model.image_size": locate(lines, "data.image_size", file)}
        return (
            bind(types["model"], {**model, "image_size": image_size}, path="model", lines=model_lines, file=file),
            bind(types["train"], raw["train"], path="train", lines=lines, file=file),
        )

    def value(self, path: str) -> Any:
        """The file's value at a dotted path of `model` or `train`, defaults included; lists for tuples."""
        return setting_of(path, self.model, self.train)

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
        return self.networks(raw, self.data.image_size, self.lines, self.file)

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
        if SAMPLERS[self.search.sampler].planned:
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


def _paths(section: Any, prefix: str) -> list[str]:
    paths: list[str] = []
    for name, kind in field_types(section).items():
        nested = hasattr(kind, "__dataclass_fields__")
        paths += _paths(kind, f"{prefix}.{name}") if nested else [f"{prefix}.{name}"]
    return paths


def setting_of(path: str, model: Any, train: Any) -> Any:
    """Return the value at a dotted path of the sections `model` and `train`; lists for tuples."""
    section, *rest = path.split(".")
    node: Any = {"model": model, "train": train}[section]
    for name in rest:
        node = getattr(node, name)
    return list(node) if isinstance(node, tuple) else node
