"""What Optuna's database says of trials."""

import json

import optuna
from optuna.trial import TrialState

from study.results.recorded_trials import finished, point_of, trial_name


def test_names_sort_as_numbers_do():
    assert trial_name(7) == "0007" and trial_name(12345) == "12345"
    assert sorted(map(trial_name, (10, 9, 100))) == ["0009", "0010", "0100"]


def test_points_keep_their_types():
    point = {"model.width": 3, "train.lr": 1e-4, "train.flips": False, "train.betas": [0.5, 0.9], "x": None}
    history = optuna.create_study()
    trial = history.ask()
    trial.set_user_attr("point", json.dumps(point))
    assert point_of(trial) == point_of(history.trials[0]) == point


def test_trials_that_ended_count_and_proposals_that_could_not_be_do_not():
    history = optuna.create_study()
    ends = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.FAIL, None)
    for number, state in enumerate(ends):
        trial = history.ask()
        if number == 3:
            trial.set_user_attr("invalid", "interrupted")
        if state is not None:
            history.tell(trial, 1.0 if state == TrialState.COMPLETE else None, state=state)
    history.enqueue_trial({})
    assert [trial.number for trial in finished(history)] == [0, 1, 2]
