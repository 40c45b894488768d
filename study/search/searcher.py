"""Optuna proposes trials, its database remembers them: the one state that a resumed study needs.

Ray's own OptunaSearch tells an early-stopped trial as complete, so that TPE compares epoch 40 with epoch 400, and
it keeps the map from Tune's trials to Optuna's in a pickle. Here a stopped trial is told as pruned at its epoch,
and everything about a trial stands in the Optuna database.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from gan.config import as_dict
from study.config.errors import ConfigError, InputError
from study.config.search_space import Axis, Point, walk
from study.config.study import Study
from study.results.recorded_trials import finished, point_of, trial_name
from study.search.samplers import make_sampler
from study.storage.trial_folder import reported

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
log = logging.getLogger(__name__)

INVALID_IN_A_ROW = 200


def storage_url(path: Path) -> str:
    """Optuna's URL of a SQLite file."""
    return f"sqlite:///{path}"


def open_history(study: Study, database: Path) -> optuna.Study:
    """Open or create the Optuna study."""
    storage = optuna.storages.RDBStorage(storage_url(database), engine_kwargs={"connect_args": {"timeout": 60}})
    history = optuna.create_study(
        study_name=study.name,
        storage=storage,
        directions=["minimize"] * len(study.objective.metrics),
        load_if_exists=True,
    )
    history.sampler = make_sampler(study, known=len(history.get_trials(deepcopy=False)))
    return history


def _representable(study: Study, point: Point) -> dict[str, Any]:
    """Optuna parameters of a point, for those axes that can take the point's value."""
    full: dict[str, Any] = {}

    def suggest(axis: Axis) -> Any:
        paths = list(axis.values[0]) if axis.kind == "points" else [axis.name]
        values = {path: point.get(path, study.value(path)) for path in paths}
        value = values if axis.kind == "points" else values[axis.name]
        if axis.contains(value):
            full[axis.name] = encode(axis, value)
        return value

    walk(study.axes, study.value, suggest)
    return full


def encode(axis: Axis, value: Any) -> Any:
    """The Optuna parameter of an axis value: categories are JSON text, which any value has."""
    if axis.kind in ("choice", "points"):
        return json.dumps(value, sort_keys=True)
    return value


def _suggest(trial: optuna.Trial, axis: Axis) -> Any:
    if axis.kind == "int":
        return trial.suggest_int(axis.name, axis.low, axis.high, step=axis.step or 1, log=axis.log)
    if axis.kind == "float":
        return trial.suggest_float(axis.name, axis.low, axis.high, step=axis.step, log=axis.log)
    choices = [json.dumps(value, sort_keys=True) for value in axis.values]
    return json.loads(trial.suggest_categorical(axis.name, choices))


class HistorySearch(Searcher):
    """Ray Tune's source of trials, backed by an Optuna study in a database.

    Parameters
    ----------
    study : Study
        What is searched.
    history : optuna.Study
        From `open_history`. Trials that were running when an earlier process died are handed out again, first.
    trials : Path or None
        Folder of the trials' folders: what a process that died had not passed on is read there.
    capacity : callable or None
        How many trials may run now; None: whoever asks for one has room for it.

    Attributes
    ----------
    halted : str or None
        Why no trial can go on (the disk is full, say). Trials that run then stay unfinished, to be resumed.
    """

    def __init__(
        self,
        study: Study,
        history: optuna.Study,
        trials: Path | None = None,
        capacity: Callable[[], int] | None = None,
    ):
        super().__init__()
        self.study, self.history, self.trials, self.capacity = study, history, trials, capacity
        self.halted: str | None = None
        self._live: dict[str, int] = {}
        running = history.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._interrupted = [t.number for t in running if "point" in t.user_attrs]
        for trial in running:
            if "point" not in trial.user_attrs:
                self._discard(trial.number)
        for number in self._interrupted:
            self._suggest_planned(number)
            self._catch_up(number)
        self._handed_out = len(finished(history))
        known = history.get_trials(deepcopy=False)
        self._waiting = sum(t.state == TrialState.WAITING for t in known)
        self._planned = study.planned()[sum(t.user_attrs.get("role", "search") != "search" for t in known) :]

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Config of the next trial, None while there is no room for it, or `Searcher.FINISHED`."""
        if self.halted or self._handed_out >= self.study.trials:
            return Searcher.FINISHED
        if self.capacity is not None and len(self._live) >= self.capacity():
            return None
        number = self._interrupted.pop(0) if self._interrupted else self._ask()
        if number is None:
            return Searcher.FINISHED
        self._handed_out += 1
        self._live[trial_id] = number
        return {**self.config_of(number), "suggested": time.time()}

    def config_of(self, number: int) -> dict[str, Any]:
        """What Tune hands to the trial."""
        return trial_config(self.study, self._frozen(number))

    def _ask(self) -> int | None:
        self._enqueue_planned()
        for _ in range(INVALID_IN_A_ROW):
            trial = self.history.ask()
            if "point" in trial.user_attrs:
                self._suggest_planned(trial.number)
                return trial.number
            point = walk(self.study.axes, self.study.value, functools.partial(_suggest, trial))
            try:
                self.study.configure(point)
            except ConfigError as error:
                self._discard(trial.number, str(error))
                continue
            trial.set_user_attr("role", "search")
            trial.set_user_attr("seed", self.study.train.seed)
            trial.set_user_attr("point", json.dumps(point))
            return trial.number
        log.error("%d proposals in a row could not be trained; the search ends here", INVALID_IN_A_ROW)
        return None

    def _enqueue_planned(self) -> None:
        """Put the next planned trial into the database; only one, since Optuna reads all that wait at each step."""
        if self._waiting:
            self._waiting -= 1
        elif self._planned:
            planned = self._planned.pop(0)
            attrs = {"role": planned.role, "point": json.dumps(planned.point), "seed": planned.seed}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                point = _representable(self.study, planned.point)
                self.history.enqueue_trial(point, user_attrs=attrs, skip_if_exists=False)

    def _suggest_planned(self, number: int) -> None:
        """Record the parameters of a planned trial that its proposal has not recorded yet."""
        frozen = self._frozen(number)
        fixed = _representable(self.study, point_of(frozen))
        missing = [axis for axis in self.study.axes if axis.name in fixed and axis.name not in frozen.params]
        if frozen.user_attrs["role"] != "search" and missing:
            trial = optuna.Trial(self.history, frozen._trial_id)
            for axis in missing:
                _suggest(trial, axis)

    def _catch_up(self, number: int) -> None:
        """Record the evaluations in a trial's folder that its dead process had not passed on."""
        if self.trials is None or len(self.study.objective.metrics) > 1:
            return
        _, evaluations = reported(self.trials / trial_name(number))
        for evaluation in evaluations:
            self._record(number, evaluation["epoch"], evaluation["objective"])

    def _record(self, number: int, epoch: int, value: float) -> None:
        frozen = self._frozen(number)
        if epoch not in frozen.intermediate_values:
            self.history._storage.set_trial_intermediate_value(frozen._trial_id, epoch, value)

    def _discard(self, number: int, why: str = "interrupted") -> None:
        storage, trial_id = self.history._storage, self._frozen(number)._trial_id
        storage.set_trial_user_attr(trial_id, "invalid", why)
        self.history.tell(number, state=TrialState.FAIL)

    def _frozen(self, number: int) -> FrozenTrial:
        storage = self.history._storage
        return storage.get_trial(storage.get_trial_id_from_study_id_trial_number(self.history._study_id, number))

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record an evaluation as an intermediate value at its epoch."""
        self.halted = self.halted or result.get("halt")
        number = self._live.get(trial_id)
        if number is None:
            return
        if "resumed" in result:
            self._catch_up(number)
        if "objective" in result and len(self.study.objective.metrics) == 1:
            self._record(number, result["epoch"], result["objective"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how a trial ended: complete, pruned at its last epoch, or failed."""
        number = self._live.pop(trial_id, None)
        if number is None or self.halted:
            return
        if self._frozen(number).state.is_finished():
            return
        result = result or {}
        if "objective" in result and len(self.study.objective.metrics) == 1:
            # Tune does not pass the report on that the scheduler stopped the trial for.
            self._record(number, result["epoch"], result["objective"])
        frozen = self._frozen(number)
        nothing = "objective" not in result and not frozen.intermediate_values
        if error or nothing or result.get("failed"):
            why = result.get("failed") or "its processes were lost; Ray's files of it are in `tune`"
            self.history._storage.set_trial_user_attr(frozen._trial_id, "error", str(why)[:500])
            self.history.tell(number, state=TrialState.FAIL)
        elif not result.get("final"):
            self.history.tell(number, state=TrialState.PRUNED)
        elif len(self.study.objective.metrics) > 1:
            self.history.tell(number, [result["objectives"][name] for name in self.study.objective.metrics])
        else:
            self.history.tell(number, self._settled(frozen, result["objective"]))

    def _settled(self, frozen: FrozenTrial, last: float) -> float:
        """Mean of the latest evaluations, as many as the scheduler judges over."""
        values = [frozen.intermediate_values[e] for e in sorted(frozen.intermediate_values)] or [last]
        latest = values[-self.study.search.scheduler.judge_over :]
        return math.fsum(latest) / len(latest)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""
        Path(checkpoint_path).write_text("The state of the search is the Optuna database of the study.\n")

    def restore(self, checkpoint_path: str) -> None:
        """Refused: `study.run --resume` opens the database again."""
        raise InputError("resume with `python -m study.run --space FILE --resume`")

    def __getstate__(self) -> dict[str, Any]:
        return {"study": self.study.name}


def close_unfinished(history: optuna.Study) -> None:
    """End the trials that an interrupted search left behind: stopped early if they were evaluated, else failed."""
    for trial in history.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        evaluated = bool(trial.intermediate_values)
        history.tell(trial.number, state=TrialState.PRUNED if evaluated else TrialState.FAIL)


def trial_config(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    """What a recorded trial trains: plain values."""
    model, train = study.configure(point_of(trial), trial.user_attrs["seed"])
    return {
        "number": trial.number,
        "name": trial_name(trial.number),
        "role": trial.user_attrs["role"],
        "point": point_of(trial),
        "model": as_dict(model),
        "train": as_dict(train),
        "epochs": train.epochs,
        "judged_from": train.first_judged_epoch(study.scheduler.grace_epochs),
    }


def replayable(study: Study, history: optuna.Study) -> dict[int, tuple[int, list[tuple[int, float]]]]:
    """Evaluations of all trials so far, for `SuccessiveHalving.replay`."""
    grace = study.scheduler.grace_epochs
    found = {}
    for trial in history.get_trials(deepcopy=False):
        if trial.intermediate_values and "point" in trial.user_attrs:
            _, train = study.configure(point_of(trial), trial.user_attrs["seed"])
            first = train.first_judged_epoch(grace)
            found[trial.number] = (first, list(trial.intermediate_values.items()))
    return found
