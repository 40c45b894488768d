"""Optuna proposes trials, its database remembers them: the one state that a resumed study needs.

Ray's own OptunaSearch tells an early-stopped trial as complete, so that TPE compares epoch 40 with epoch 400, and
it keeps the map from Tune's trials to Optuna's in a pickle. Here a stopped trial is told as pruned at its epoch,
and everything about a trial stands in the Optuna database.
"""

from __future__ import annotations

import functools
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from study.config.errors import ConfigError, InputError
from study.config.search_space import Axis, Point, walk
from study.config.study import Study
from study.results.recorded_trials import finished, point_of, trial_name
from study.search.history import History, LiveTrial, trial_config
from study.storage.trial_folder import reported

log = logging.getLogger(__name__)

INVALID_IN_A_ROW = 200


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
    history : History
        Its database. Trials that were running when an earlier process died are handed out again, first.
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
        history: History,
        trials: Path | None = None,
        capacity: Callable[[], int] | None = None,
    ):
        super().__init__()
        self.study, self.history, self.trials, self.capacity = study, history, trials, capacity
        self.halted: str | None = None
        self._live: dict[str, LiveTrial] = {}
        self._interrupted: list[LiveTrial] = []
        for frozen in history.running():
            live = history.live(frozen.number)
            if "point" not in frozen.user_attrs:
                history.discard(live, "interrupted")
                continue
            self._suggest_planned(live.trial)
            self._catch_up(live)
            self._interrupted.append(live)
        self._handed_out = len(finished(history.study))
        known = history.study.get_trials(deepcopy=False)
        self._waiting = sum(t.state == TrialState.WAITING for t in known)
        self._planned = study.planned()[sum(t.user_attrs.get("role", "search") != "search" for t in known) :]

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the config of the next trial, None while there is no room for it, or `Searcher.FINISHED`."""
        if self.halted or self._handed_out >= self.study.trials:
            return Searcher.FINISHED
        if self.capacity is not None and len(self._live) >= self.capacity():
            return None
        live = self._interrupted.pop(0) if self._interrupted else self._ask()
        if live is None:
            return Searcher.FINISHED
        self._handed_out += 1
        self._live[trial_id] = live
        return {**trial_config(self.study, live.trial), "suggested": time.time()}

    def _ask(self) -> LiveTrial | None:
        self._enqueue_planned()
        for _ in range(INVALID_IN_A_ROW):
            trial = self.history.study.ask()
            if "point" in trial.user_attrs:
                self._suggest_planned(trial)
                return LiveTrial(trial)
            point = walk(self.study.axes, self.study.value, functools.partial(_suggest, trial))
            try:
                self.study.configure(point)
            except ConfigError as error:
                self.history.discard(LiveTrial(trial), str(error))
                continue
            trial.set_user_attr("role", "search")
            trial.set_user_attr("seed", self.study.train.seed)
            trial.set_user_attr("point", json.dumps(point))
            return LiveTrial(trial)
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
                self.history.study.enqueue_trial(point, user_attrs=attrs, skip_if_exists=False)

    def _suggest_planned(self, trial: optuna.Trial) -> None:
        """Record the parameters of a planned trial that its proposal has not recorded yet."""
        fixed = _representable(self.study, point_of(trial))
        if trial.user_attrs["role"] != "search":
            for axis in self.study.axes:
                if axis.name in fixed and axis.name not in trial.params:
                    _suggest(trial, axis)

    def _catch_up(self, live: LiveTrial) -> None:
        """Record the evaluations in a trial's folder that its dead process had not passed on."""
        if self.trials is None or len(self.study.objective.metrics) > 1:
            return
        for evaluation in reported(self.trials / trial_name(live.number))[1]:
            live.record(evaluation["epoch"], evaluation["objective"])

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record an evaluation as an intermediate value at its epoch."""
        self.halted = self.halted or result.get("halt")
        live = self._live.get(trial_id)
        if live is None:
            return
        if "resumed" in result:
            self._catch_up(live)
        self._record(live, result)

    def _record(self, live: LiveTrial, result: dict[str, Any]) -> None:
        if "objective" in result and len(self.study.objective.metrics) == 1:
            live.record(result["epoch"], result["objective"])

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna how a trial ended: complete, pruned at its last epoch, or failed."""
        live = self._live.pop(trial_id, None)
        if live is None or self.halted:
            return
        result, tell = result or {}, self.history.study.tell
        self._record(live, result)  # Tune does not pass the report on that the scheduler stopped the trial for.
        nothing = "objective" not in result and not live.values
        names = self.study.objective.metrics
        if error or nothing or result.get("failed"):
            why = result.get("failed") or "its processes were lost; Ray's files of it are in `tune`"
            live.trial.set_user_attr("error", str(why)[:500])
            tell(live.trial, state=TrialState.FAIL)
        elif not result.get("final"):
            tell(live.trial, state=TrialState.PRUNED)
        elif len(names) > 1:
            tell(live.trial, [result["objectives"][name] for name in names])
        else:
            tell(live.trial, live.settled(self.study.search.scheduler.judge_over))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""
        Path(checkpoint_path).write_text("The state of the search is the Optuna database of the study.\n")

    def restore(self, checkpoint_path: str) -> None:
        """Refused: `study.run --resume` opens the database again."""
        raise InputError("resume with `python -m study.run --space FILE --resume`")

    def __getstate__(self) -> dict[str, Any]:
        return {"study": self.study.name}
