"""The database of a search: the one state that a resumed study needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from gan.config import as_dict
from study.config.study import Study
from study.results.recorded_trials import point_of, trial_name
from study.search.samplers import make_sampler


@dataclass
class LiveTrial:
    """A trial that has not ended.

    Attributes
    ----------
    trial : optuna.Trial
        What Optuna takes reports by.
    values : dict of int to float
        Evaluations recorded so far, by epoch.
    """

    trial: optuna.Trial
    values: dict[int, float] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """In the database."""
        return self.trial.number

    def record(self, epoch: int, value: float) -> None:
        """Record an evaluation, once."""
        if epoch not in self.values:
            self.trial.report(value, epoch)
            self.values[epoch] = value

    def settled(self, over: int) -> float:
        """Return the mean of the latest `over` evaluations."""
        latest = [self.values[epoch] for epoch in sorted(self.values)][-over:]
        return math.fsum(latest) / len(latest)


@dataclass(frozen=True)
class History:
    """An Optuna study and the storage that holds it.

    Attributes
    ----------
    study : optuna.Study
        For those who only read.
    storage : optuna.storages.BaseStorage
        Knows trials by their numbers, also those that another process began.
    """

    study: optuna.Study
    storage: optuna.storages.BaseStorage

    def live(self, number: int) -> LiveTrial:
        """Return a trial that has not ended, whoever began it."""
        known = self.storage.get_study_id_from_name(self.study.study_name)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(known, number)
        return LiveTrial(optuna.Trial(self.study, trial_id), dict(self.storage.get_trial(trial_id).intermediate_values))

    def running(self) -> list[FrozenTrial]:
        """Return the trials that were begun and have not ended."""
        return self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))

    def discard(self, live: LiveTrial, why: str) -> None:
        """End a trial that stands for nothing."""
        live.trial.set_user_attr("invalid", why)
        self.study.tell(live.trial, state=TrialState.FAIL)


def storage_url(path: Path) -> str:
    """Return Optuna's URL of a SQLite file."""
    return f"sqlite:///{path}"


def open_history(study: Study, database: Path) -> History:
    """Open or create the database of a search."""
    storage = optuna.storages.RDBStorage(storage_url(database), engine_kwargs={"connect_args": {"timeout": 60}})
    history = optuna.create_study(
        study_name=study.name,
        storage=storage,
        directions=["minimize"] * len(study.objective.metrics),
        load_if_exists=True,
    )
    history.sampler = make_sampler(study, known=len(history.get_trials(deepcopy=False)))
    return History(history, storage)


def close_unfinished(history: optuna.Study) -> None:
    """End the trials that an interrupted search left behind: stopped early if they were evaluated, else failed."""
    for trial in history.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        evaluated = bool(trial.intermediate_values)
        history.tell(trial.number, state=TrialState.PRUNED if evaluated else TrialState.FAIL)


def trial_config(study: Study, trial: FrozenTrial | optuna.Trial) -> dict[str, Any]:
    """Return what a recorded trial trains: a `TrialSpec` as plain values."""
    point, seed = point_of(trial), trial.user_attrs["seed"]
    model, train = study.configure(point, seed)
    return {
        "number": trial.number,
        "name": trial_name(trial.number),
        "role": trial.user_attrs["role"],
        "point": point,
        "model": as_dict(model),
        "train": as_dict(train),
        "epochs": train.epochs,
        "judged_from": train.first_judged_epoch(study.scheduler.grace_epochs),
    }


def replayable(study: Study, history: optuna.Study) -> dict[int, tuple[int, list[tuple[int, float]]]]:
    """Return the evaluations of all trials so far, for `SuccessiveHalving.replay`."""
    grace = study.scheduler.grace_epochs
    found = {}
    for trial in history.get_trials(deepcopy=False):
        if trial.intermediate_values and "point" in trial.user_attrs:
            _, train = study.configure(point_of(trial), trial.user_attrs["seed"])
            found[trial.number] = (train.first_judged_epoch(grace), list(trial.intermediate_values.items()))
    return found
