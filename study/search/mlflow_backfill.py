"""Sending MLflow what a dead process, or a server that was away, kept it from: the results folder holds everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.config.study import Study
from study.results.recorded_trials import finished, trial_name
from study.search.history import trial_config
from study.storage.trial_folder import reported
from study.tracking.mlflow_tracker import Tracker

_ENDINGS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}


def send_missing(study: Study, history: optuna.Study, trials: Path, tracker: Tracker) -> int:
    """Complete the runs of trials that ended, where MLflow does not show their end.

    Trials that go on need nothing: their next report carries what is missing.

    Parameters
    ----------
    study, history : Study, optuna.Study
        What is searched, and what is known.
    trials : Path
        Folder of the trials' folders.
    tracker : Tracker
        Started.

    Returns
    -------
    int
        Trials whose runs are completed.
    """
    ended = tracker.ended_runs()
    missing = [t for t in finished(history) if trial_name(t.number) not in ended and "point" in t.user_attrs]
    for trial in missing:
        _send(study, trial, trials / trial_name(trial.number), tracker)
    return len(missing)


def _send(study: Study, trial: FrozenTrial, home: Path, tracker: Tracker) -> None:
    config = trial_config(study, trial)
    losses, evaluations = reported(home)
    if losses:
        tracker.trial_result(config, {"epoch": losses[-1]["epoch"], "history": losses})
    for evaluation in evaluations:
        tracker.trial_result(config, evaluation)
    failed = trial.state == TrialState.FAIL
    last: dict[str, Any] = evaluations[-1] if evaluations else {}
    tags: dict[str, Any] = {"ending": _ENDINGS[trial.state], "epochs": last.get("epoch", 0)}
    if last.get("diverged"):
        tags["diverged"] = last["diverged"]
    if failed:
        tags["error"] = trial.user_attrs.get("error", "")
    tracker.trial_ended(config, "FAILED" if failed else "FINISHED", tags)
