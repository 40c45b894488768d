"""A study's settings: what is planned, what is written, and what the digest covers."""

import dataclasses

import pytest
import yaml

from study.config import ConfigError, load_study
from study.config.study import setting_of
from tests.study.config.spaces import PAIRS, SHIPPED, load, write

ABLATION = ("search={sampler: ablation, repeats: 3}", "axes.train.dropout.end_epoch=null")


def test_the_resolved_file_means_the_same_study(tmp_path):
    study = load(tmp_path)
    again = load(tmp_path, text=study.as_yaml())
    assert again.digest() == study.digest()
    assert again.resolved() == study.resolved()


def test_the_digest_sees_what_decides_a_result_and_nothing_else(tmp_path):
    digest = load(tmp_path).digest()
    assert load(tmp_path, "description=other", "resources.cpus_per_worker=2").digest() == digest
    assert load(tmp_path, "train.lr=1e-3").digest() != digest
    assert load(tmp_path, "axes.model.discriminator_width=null").digest() != digest


def test_defaults_that_are_written_out_do_not_change_the_digest(tmp_path):
    short = load(tmp_path, text="study: a\n")
    assert load(tmp_path, "train.betas=[0.5, 0.999]", "data.seed=0", text="study: a\n").digest() == short.digest()


def test_yaml_written_by_the_program_is_plain(tmp_path):
    for text in (write(tmp_path).read_text(), PAIRS):
        assert isinstance(yaml.safe_load(load(tmp_path, text=text).as_yaml()), dict)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_the_resolved_shipped_spaces_mean_the_same_study(tmp_path, path):
    study = load_study(path)
    assert load(tmp_path, text=study.as_yaml()).digest() == study.digest()


def test_a_study_does_not_change(tmp_path):
    study = load(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.name = "other"
    study.resolved()["axes"].clear()
    study.configure({"train.lr": 1.0})
    study.configure_without_axes({})
    assert study.train.lr == 2e-4 and len(study.axes) == 3 and len(study.resolved()["axes"]) == 3


def test_values_of_the_file_are_read_by_path_defaults_included(tmp_path):
    study = load(tmp_path)
    assert study.value("train.dropout.p") == 0.5 and study.value("train.dropout.onset_epoch") is None
    assert study.value("train.betas") == [0.5, 0.999], "a list, as in the file"
    assert setting_of("model.width", study.model, study.train) == 16


def test_a_trial_is_the_file_with_its_point_and_seed(tmp_path):
    study = load(tmp_path)
    model, train = study.configure({"model.discriminator_width": 8, "train.dropout.p": 0.1}, 7)
    assert model == dataclasses.replace(study.model, discriminator_width=8)
    dropout = dataclasses.replace(study.train.dropout, p=0.1)
    assert train == dataclasses.replace(study.train, seed=7, dropout=dropout)
    assert study.configure({}) == (study.model, study.train)


def test_without_axes_means_the_defaults_of_what_axes_set(tmp_path):
    study = load(tmp_path, "model.discriminator_width=16", "axes.two={points: [{train.lr: 1.0, train.epochs: 9}]}")
    model, train = study.configure_without_axes({"train.dropout.onset_epoch": 5})
    assert (model.width, model.discriminator_width) == (16, None)
    assert (train.lr, train.epochs) == (2e-4, 100) and train.dropout.onset_epoch == 5


def test_a_point_that_cannot_exist_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.dropout\.end_epoch = 3: expected at least the onset_epoch \(9\)"):
        load(tmp_path).configure({"train.dropout.onset_epoch": 9, "train.dropout.end_epoch": 3})


def test_ablation_moves_one_factor_at_a_time_and_repeats_the_baseline(tmp_path):
    study = load(tmp_path, *ABLATION)
    planned = study.planned()
    assert [t.seed for t in planned if t.role == "baseline"] == [0, 1, 2]
    for trial in planned:
        moved = [p for p, v in trial.point.items() if v != study.value(p)]
        assert len(moved) == (0 if trial.role == "baseline" else 1)
    # Onset has levels 0..40 by 10 (baseline: none), discriminator width 8 (16 is not the file's null).
    assert len(planned) == 3 * (1 + 5 + 2)
    assert study.scheduler.name == "none"


def test_seeds_of_an_ablation_begin_at_the_files_and_come_round_by_round(tmp_path):
    planned = load(tmp_path, *ABLATION, "train.seed=5").planned()
    assert [t.seed for t in planned] == [5] * 8 + [6] * 8 + [7] * 8
    assert [(t.role, t.point) for t in planned[:8]] == [(t.role, t.point) for t in planned[16:]]


def test_an_ablation_is_cut_to_its_trials(tmp_path):
    study = load(tmp_path, *ABLATION, "search.trials=4")
    assert len(study.planned()) == study.trials == 4


def test_a_grid_respects_conditions(tmp_path):
    study = load(tmp_path, "search={sampler: grid, baseline_first: false}")
    points = [t.point for t in study.planned()]
    assert len(points) == (2 * 3 + 3) * 2
    assert all(("train.dropout.end_epoch" in p) == (p["train.dropout.onset_epoch"] < 20) for p in points)


def test_a_grid_does_not_repeat_the_baseline(tmp_path):
    axes = "axes={model.width: {choice: [8, 16]}, train.lr: {choice: [2e-4, 1e-3]}}"
    points = {True: 4, False: 4}
    for first in points:
        planned = load(tmp_path, f"search={{sampler: grid, baseline_first: {first}}}", axes).planned()
        assert len(planned) == 4 and (planned[0].role == "baseline") is first
        settings = [{"model.width": 16, "train.lr": 2e-4, **t.point} for t in planned]
        assert all(s not in settings[:i] for i, s in enumerate(settings))


def test_several_objectives_turn_early_stopping_off(tmp_path):
    study = load(tmp_path, "objective.metric=[ks_mean, energy]")
    assert study.objective.metrics == ("ks_mean", "energy") and study.scheduler.name == "none"


def test_one_objective_leaves_early_stopping_as_written(tmp_path):
    study = load(tmp_path, "search.scheduler={grace_epochs: 7}")
    assert (study.scheduler.name, study.scheduler.grace_epochs) == ("asha", 7)


def test_baseline_and_presets_are_a_study_without_axes(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("study: presets\npresets: {fast: {train.lr: 1.0e-3}, slow: {train.lr: 1.0e-5}}\n")
    assert load_study(path).trials == load_study(path, ["search.trials=3"]).trials == 3
    assert [trial.role for trial in load_study(path).planned()] == ["baseline", "preset:fast", "preset:slow"]
    with pytest.raises(ConfigError, match=r"nothing varies; add axes, or set search\.trials to 3"):
        load_study(path, ["search.trials=4"])


def test_a_search_has_sixteen_trials_unless_told_otherwise(tmp_path):
    assert load(tmp_path, "search.trials=null").trials == 16
    assert load(tmp_path).trials == 5
    assert load(tmp_path, text="study: a\n").trials == 1


def test_the_side_is_written_where_the_data_is(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.image_size = 48: expected a power of two") as caught:
        load(tmp_path, "data.image_size=48")
    assert caught.value.key == "data.image_size"
    with pytest.raises(ConfigError, match=r"write it as data\.image_size"):
        load(tmp_path, "model.image_size=64")
    pairs = load(tmp_path, "data.image_size=40", "model.depth=3", text=PAIRS)
    assert pairs.model.image_size == 40
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "model.depth=5", "data.image_size=48", text=PAIRS)
    assert caught.value.key == "model.image_size" and caught.value.file == "--set"
