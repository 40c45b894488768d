"""Early stopping, driven with hand-made numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from common.errors import FieldError
from gan.config import DropoutConfig, TrainConfig
from study.search.asha import SuccessiveHalving, rungs, tune_scheduler


def test_rungs_are_geometric_and_end_before_the_budget():
    assert rungs(40, 3, 400) == [40, 120, 360]
    assert rungs(4, 2, 12) == [4, 8]
    assert rungs(12, 3, 12) == []
    assert rungs(1, 1.5, 5) == [1, 2, 3, 4]


def test_the_first_trial_always_goes_on_and_a_worse_one_stops():
    halving = SuccessiveHalving(grace_epochs=10, reduction_factor=3, epochs=90)
    assert not halving.judge(0, 10, 0.30)
    assert halving.judge(1, 10, 0.40)
    assert not halving.judge(2, 10, 0.20)


def test_about_one_in_eta_survives_a_rung():
    halving = SuccessiveHalving(grace_epochs=10, reduction_factor=4, epochs=20)
    values = np.random.default_rng(0).permutation(400) / 400
    stopped = [halving.judge(trial, 10, float(value)) for trial, value in enumerate(values)]
    assert 0.65 < np.mean(stopped) < 0.85
    assert not stopped[int(np.argmin(values))]


def test_a_trial_is_not_judged_before_its_own_schedule():
    late = TrainConfig(epochs=400, dropout=DropoutConfig(placement="discriminator_last", onset_epoch=200))
    assert late.first_judged_epoch(40) == 240
    assert TrainConfig(epochs=400).first_judged_epoch(40) == 40
    off = TrainConfig(epochs=400, dropout=DropoutConfig(placement="none", onset_epoch=200))
    assert off.first_judged_epoch(40) == 40
    never = TrainConfig(epochs=400, dropout=DropoutConfig(placement="both", onset_epoch=400))
    assert never.first_judged_epoch(40) == 40

    halving = SuccessiveHalving(grace_epochs=40, reduction_factor=3, epochs=400)
    for trial in range(3):
        halving.judge(trial, 40, 0.1)
        halving.judge(trial, 120, 0.1)
    assert not any(halving.judge(9, epoch, 0.9, first_epoch=240) for epoch in range(20, 360, 20))
    assert 9 not in halving.recorded[40] and 9 not in halving.recorded[120]
    halving.judge(0, 360, 0.1)
    assert halving.judge(9, 360, 0.9, first_epoch=240)


def test_a_rung_judges_the_mean_of_the_latest_evaluations():
    halving = SuccessiveHalving(grace_epochs=20, reduction_factor=2, epochs=40, judge_over=2)
    for epoch, value in ((10, 0.2), (20, 0.4)):
        halving.judge(0, epoch, value)
    assert halving.recorded[20][0] == pytest.approx(0.3)


def test_evaluations_between_rungs_do_not_stop_and_none_is_judged_twice():
    halving = SuccessiveHalving(grace_epochs=10, reduction_factor=3, epochs=90)
    halving.judge(0, 10, 0.1)
    assert halving.judge(1, 10, 0.5)
    assert not halving.judge(1, 20, 0.9)


def test_a_resumed_study_stands_where_it_stood():
    evaluations = {0: (0, [(10, 0.3), (30, 0.2)]), 1: (0, [(10, 0.25)]), 2: (60, [(10, 0.9), (30, 0.8)])}
    straight = SuccessiveHalving(grace_epochs=10, reduction_factor=3, epochs=90, judge_over=2)
    for trial, (first, values) in evaluations.items():
        for epoch, value in values:
            straight.judge(trial, epoch, value, first_epoch=first)
    resumed = SuccessiveHalving(grace_epochs=10, reduction_factor=3, epochs=90, judge_over=2)
    resumed.replay(evaluations)
    assert resumed.recorded == straight.recorded
    assert resumed.judge(3, 10, 0.28) == straight.judge(3, 10, 0.28)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="finite"):
        SuccessiveHalving(grace_epochs=1, reduction_factor=2, epochs=4).judge(0, 1, float("nan"))


def test_the_baseline_is_recorded_at_rungs_but_trained_to_its_end():
    from ray.tune.schedulers import TrialScheduler

    def verdicts(**options):
        halving = SuccessiveHalving(grace_epochs=2, reduction_factor=2, epochs=8)
        scheduler = tune_scheduler(halving, **options)
        rest = {"name": "", "point": {}, "model": {}, "train": {}, "epochs": 8, "judged_from": 2}
        for number, (role, value) in enumerate([("search", 0.1), ("search", 0.2), ("baseline", 0.9)]):
            trial = SimpleNamespace(config={"number": number, "role": role, **rest})
            verdict = scheduler.on_trial_result(None, trial, {"epoch": 2, "objective": value})
        assert halving.recorded[2][2] == 0.9
        return verdict

    assert verdicts() == TrialScheduler.CONTINUE
    assert verdicts(spared=()) == TrialScheduler.STOP


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"grace_epochs": 0}, "grace_epochs = 0"),
        ({"reduction_factor": 1}, "reduction_factor = 1"),
        ({"reduction_factor": float("nan")}, "reduction_factor = nan"),
        ({"epochs": 0}, "epochs = 0"),
        ({"judge_over": 0}, "judge_over = 0"),
    ],
)
def test_arguments_that_cannot_work_are_named_instead_of_looping_for_ever(settings, named):
    with pytest.raises(FieldError, match=named):
        SuccessiveHalving(**{"grace_epochs": 2, "reduction_factor": 3, "epochs": 9, **settings})
