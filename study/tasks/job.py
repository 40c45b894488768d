"""What the driver hands to a trial's worker: frozen, typed, plain enough to travel between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.config.search_space import Point
from study.storage.trial_files import TrialFiles


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """What all trials of a study share.

    Attributes
    ----------
    files : TrialFiles
        What is read and written.
    samples, every_epochs : int
        Images judged at an evaluation, and epochs between evaluations.
    engine : {"fast", "photutils"}
        Of `eval.measure.measure`.
    metrics : tuple of str
        Names of the objectives, as `objective.metric` gives them.
    workers : int
        Training processes of a trial.
    cpus_per_worker, gpus_per_worker : float
        What each is given.
    threads : int or None
        Threads of one worker; None: what the process may use.
    logical_gpus : bool
        GPUs are only numbers to Ray; workers train on the CPU.
    """

    files: TrialFiles
    samples: int
    every_epochs: int
    engine: str
    metrics: tuple[str, ...]
    workers: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    threads: int | None = None
    logical_gpus: bool = False


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One trial, as Ray Tune's config carries it.

    Attributes
    ----------
    number, name, role : int, str, str
        In Optuna's database, of the folder, and why it is trained (`baseline`, `search`, ...).
    point : dict
        What it sets, by dotted path.
    model, train : dict
        All of its settings, as `gan.config.as_dict` gives them.
    epochs : int
        Of its full training.
    judged_from : int
        First epoch at which early stopping may compare it with others.
    suggested : float
        When it was proposed, in seconds since 1970.
    """

    number: int
    name: str
    role: str
    point: Point
    model: dict[str, Any]
    train: dict[str, Any]
    epochs: int
    judged_from: int
    suggested: float = 0.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TrialSpec:
        """Return the trial that Tune's config describes; keys that Tune has added are left out."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__ if name in config})

    @property
    def family(self) -> str:
        """The family of its model."""
        return str(self.model["family"])


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """A trial with all that its worker needs.

    Attributes
    ----------
    trial : TrialSpec
        What to train.
    settings : TrialSettings
        What all trials of the study share.
    accepted : float
        When a process took the trial up, in seconds since 1970.
    notes : tuple of str
        What was mended in the trial's folder before, for the user.
    """

    trial: TrialSpec
    settings: TrialSettings
    accepted: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> TrialFiles:
        """What is read and written."""
        return self.settings.files
