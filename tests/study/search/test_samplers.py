"""Who proposes trials."""

from __future__ import annotations

import optuna
import pytest

from study.config import ConfigError, load_study
from study.config.sections import SAMPLERS
from study.search.samplers import MAKERS, REPRODUCED, make_sampler

SPACE = """\
study: demo
search: {trials: 12, seed: 3}
axes: {train.lr: {float: [1.0e-4, 1.0e-2], step: 1.0e-4}}
"""


def make(folder, *overrides):
    path = folder / "space.yaml"
    path.write_text(SPACE)
    return load_study(path, overrides)


def test_what_a_file_may_name_can_be_made():
    assert set(MAKERS) == set(SAMPLERS) and set(REPRODUCED) <= set(MAKERS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_each_sampler_proposes_points_of_the_space(tmp_path, name):
    sampler = make_sampler(make(tmp_path, f"search.sampler={name}"))
    history = optuna.create_study(sampler=sampler)
    history.optimize(lambda trial: trial.suggest_float("x", 1.0, 2.0), n_trials=6)
    values = [trial.params["x"] for trial in history.trials]
    assert all(1 <= value <= 2 for value in values) and len(set(values)) >= 4


@pytest.mark.parametrize("name", ["tpe", "random", "qmc"])
def test_a_search_that_goes_on_has_other_points_unless_they_follow_from_their_numbers(tmp_path, name):
    study = make(tmp_path, f"search.sampler={name}")

    def first(known):
        return optuna.create_study(sampler=make_sampler(study, known)).ask().suggest_float("x", 0, 1)

    assert first(0) == first(0)
    assert (first(0) == first(5)) == (name in REPRODUCED)


def test_the_model_based_samplers_find_a_minimum_better_than_chance(tmp_path):
    def found(name):
        history = optuna.create_study(sampler=make_sampler(make(tmp_path, f"search.sampler={name}")))
        history.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=40)
        return sum(abs(trial.params["x"] - 2) < 1 for trial in history.trials[20:])

    assert found("random") < 5 < found("tpe")


def test_a_sampler_that_cannot_search_a_front_names_those_that_can(tmp_path):
    with pytest.raises(ConfigError, match=r"search.sampler = 'gp'.*tpe, random"):
        make(tmp_path, "search.sampler=gp", "objective.metric=[ks_mean, energy]")
    with pytest.raises(ConfigError, match="one of tpe, random, grid"):
        make(tmp_path, "search.sampler=cmaes")
