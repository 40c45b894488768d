"""Optuna's history as the one state of a search: every sampler, resuming, and what a stopped trial is told as."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from study.config import load_study
from study.results.recorded_trials import finished
from study.search.history import open_history, replayable
from study.search.searcher import HistorySearch

SPACE = """\
study: demo
model: {width: 16}
train: {epochs: 30, dropout: {placement: discriminator_last, onset_epoch: 10}}
objective: {every_epochs: 10, samples: 100}
search: {trials: 12, seed: 3, scheduler: {grace_epochs: 10}}
axes:
  train.lr: {float: [1.0e-5, 1.0e-2], log: true}
  train.dropout.onset_epoch: {int: [0, 30], step: 10}
  train.dropout.end_epoch: {int: [20, 30], step: 10, when: {train.dropout.onset_epoch: {below: 20}}}
  model.kernel_size: {choice: [4, 6]}
"""


def make(tmp_path, *overrides):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return load_study(path, overrides)


def searcher(study, tmp_path):
    return HistorySearch(study, open_history(study, tmp_path / "optuna.db"))


def run_all(search, study, value=lambda config: config["train"]["lr"]):
    """Serve every trial: one report, final."""
    configs = []
    while (config := search.suggest(f"t{len(configs)}")) != Searcher.FINISHED:
        trial_id = f"t{len(configs)}"
        result = {"epoch": 30, "objective": value(config), "objectives": {"ks_mean": value(config), "energy": 1.0}}
        search.on_trial_result(trial_id, result)
        search.on_trial_complete(trial_id, {**result, "final": True})
        configs.append(config)
    return configs


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "nsga2", "gp"])
def test_every_sampler_serves_the_asked_trials_baseline_first(tmp_path, sampler):
    study = make(tmp_path, f"search.sampler={sampler}")
    search = searcher(study, tmp_path)
    configs = run_all(search, study)
    assert len(configs) == 12 == len(finished(search.history.study))
    assert configs[0]["role"] == "baseline" and configs[0]["point"] == {}
    for config in configs[1:]:
        dropout = config["train"]["dropout"]
        assert 1e-5 <= config["train"]["lr"] <= 1e-2
        assert ("train.dropout.end_epoch" in config["point"]) == (dropout["onset_epoch"] < 20)
        assert dropout["end_epoch"] is None or dropout["end_epoch"] >= dropout["onset_epoch"]
    assert all(t.state == TrialState.COMPLETE for t in search.history.study.trials)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_the_same_seed_proposes_the_same_trials(tmp_path, sampler):
    points = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        study = make(tmp_path / name, f"search.sampler={sampler}")
        points.append([c["point"] for c in run_all(searcher(study, tmp_path / name), study)])
    assert points[0] == points[1]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_a_search_that_goes_on_does_not_propose_its_first_points_again(tmp_path, sampler):
    study = make(tmp_path, f"search.sampler={sampler}", "search.trials=13")
    lrs = []
    for start in range(3):
        search = searcher(study, tmp_path)
        for k in range(4):
            config = search.suggest(f"{start}.{k}")
            result = {"epoch": 30, "objective": 0.5, "objectives": {"ks_mean": 0.5, "energy": 1.0}}
            search.on_trial_result(f"{start}.{k}", result)
            search.on_trial_complete(f"{start}.{k}", {**result, "final": True})
            lrs.append(config["train"]["lr"])
    assert len(set(lrs)) == 12


def test_tpe_learns(tmp_path):
    study = make(tmp_path, "search.trials=40", "axes.model.kernel_size=null")
    lrs = [c["train"]["lr"] for c in run_all(searcher(study, tmp_path), study)]
    assert sorted(lrs[-10:])[5] < sorted(lrs[1:11])[5]


def test_a_grid_runs_each_point_once(tmp_path):
    study = make(tmp_path, "search={sampler: grid, baseline_first: false}", "axes.train.lr=null")
    configs = run_all(searcher(study, tmp_path), study)
    points = [tuple(sorted(c["point"].items())) for c in configs]
    assert len(points) == len(set(points)) == (2 * 2 + 2) * 2


def test_an_ablation_runs_its_repeats_with_paired_seeds(tmp_path):
    study = make(
        tmp_path, "search={sampler: ablation, repeats: 2}", "axes.train.lr=null", "axes.train.dropout.end_epoch=null"
    )
    configs = run_all(searcher(study, tmp_path), study)
    seeds = {}
    for config in configs:
        seeds.setdefault((config["role"], str(config["point"])), []).append(config["train"]["seed"])
    assert all(value == [0, 1] for value in seeds.values()) and len(seeds) == 1 + 3 + 1


def test_presets_follow_the_baseline(tmp_path):
    study = make(tmp_path, "presets.annealed={train.dropout.anneal_epochs: 30}")
    configs = run_all(searcher(study, tmp_path), study)
    assert configs[1]["role"] == "preset:annealed" and configs[1]["train"]["dropout"]["anneal_epochs"] == 30


def test_a_stopped_trial_is_pruned_at_its_epoch_not_complete(tmp_path):
    study = make(tmp_path)
    search = searcher(study, tmp_path)
    search.suggest("a")
    for epoch, value in ((10, 0.5), (20, 0.4)):
        search.on_trial_result("a", {"epoch": epoch, "objective": value})
    search.on_trial_complete("a", {"epoch": 20, "objective": 0.4, "final": False})
    trial = search.history.study.trials[0]
    assert trial.state == TrialState.PRUNED and trial.intermediate_values == {10: 0.5, 20: 0.4}


def test_failures_end_as_failed_and_count(tmp_path):
    study = make(tmp_path, "search.trials=3")
    search = searcher(study, tmp_path)
    search.suggest("a")
    search.on_trial_complete("a", None, error=True)
    search.suggest("b")
    search.on_trial_complete("b", {"failed": "RuntimeError: no", "epoch": 1})
    search.suggest("c")
    search.on_trial_complete("c", {"epoch": 30, "objective": 0.2, "final": True})
    assert [t.state for t in search.history.study.trials] == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    assert search.suggest("d") == Searcher.FINISHED


def test_a_new_process_goes_on_with_the_interrupted_trials(tmp_path):
    study = make(tmp_path, "search.trials=4")
    first = searcher(study, tmp_path)
    done, lost = first.suggest("a"), first.suggest("b")
    first.on_trial_result("a", {"epoch": 30, "objective": 0.3})
    first.on_trial_complete("a", {"epoch": 30, "objective": 0.3, "final": True})
    first.on_trial_result("b", {"epoch": 10, "objective": 0.6})

    second = searcher(study, tmp_path)
    onset = lost["train"]["dropout"]["onset_epoch"]
    first_judged = 10 + (onset if onset < 30 else 0)
    assert replayable(study, second.history.study)[lost["number"]] == (first_judged, [(10, 0.6)])
    again = second.suggest("x")
    assert {**again, "suggested": 0} == {**lost, "suggested": 0}
    second.on_trial_result("x", {"epoch": 10, "objective": 0.7})
    assert second.history.study.trials[lost["number"]].intermediate_values == {10: 0.6}
    second.on_trial_complete("x", {"epoch": 30, "objective": 0.5, "final": True})
    rest = run_all(second, study)
    numbers = [done["number"], again["number"], *(c["number"] for c in rest)]
    assert sorted(numbers) == [0, 1, 2, 3] and len(finished(second.history.study)) == 4


def test_several_objectives_make_a_pareto_front(tmp_path):
    study = make(tmp_path, "objective.metric=[ks_mean, energy]", "search.sampler=nsga2")
    search = searcher(study, tmp_path)
    run_all(search, study)
    assert search.history.study.directions == [optuna.study.StudyDirection.MINIMIZE] * 2
    assert all(t.values is not None and len(t.values) == 2 for t in search.history.study.trials)


def test_points_that_cannot_be_trained_are_proposed_anew(tmp_path):
    # Without the condition, end_epoch can fall before the onset.
    study = make(tmp_path, "axes.train.dropout.end_epoch={int: [0, 30], step: 10}", "search.sampler=random")
    search = searcher(study, tmp_path)
    configs = run_all(search, study)
    assert len(configs) == 12
    assert any("invalid" in t.user_attrs for t in search.history.study.trials)
    for config in configs[1:]:
        assert config["train"]["dropout"]["end_epoch"] >= config["train"]["dropout"]["onset_epoch"]


def test_history_lives_in_one_file(tmp_path):
    study = make(tmp_path)
    searcher(study, tmp_path)
    assert Path(tmp_path / "optuna.db").exists()
