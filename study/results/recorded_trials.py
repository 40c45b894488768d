"""What Optuna's database says of a study's trials."""

from __future__ import annotations

import json

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.config.search_space import Point


def point_of(trial: FrozenTrial | optuna.Trial) -> Point:
    """Return what a recorded trial sets."""
    point: Point = json.loads(trial.user_attrs["point"])
    return point


def finished(history: optuna.Study) -> list[FrozenTrial]:
    """Trials that need no more work: complete, stopped early, or failed for good; invalid proposals left out."""
    done = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return [t for t in history.get_trials(deepcopy=False, states=done) if "invalid" not in t.user_attrs]


def trial_name(number: int) -> str:
    """Name of a trial's folder and MLflow run."""
    return f"{number:04d}"
