"""Whether what a file asks for can be trained and searched, before anything is trained."""

import pytest

from study.config.errors import ConfigError
from study.config.validate import LARGEST_GRID
from tests.study.config.spaces import PAIRS, load

GRID = "search={sampler: grid}"


@pytest.mark.parametrize(
    ("axis", "says"),
    [
        ("model.width={choice: [8, 0]}", "model.width = 0 cannot be used; expected 1 to 65,536"),
        ("train.dropout.p={float: [0.1, 1.0]}", "train.dropout.p = 1.0 cannot be used; expected a probability"),
        ("model.kernel_size={int: [4, 5]}", "model.kernel_size = 5 cannot be used; expected 4 or 6"),
        ("train.betas={choice: [[0.5, 0.9], [0.5, 1.5]]}", "two numbers in [0, 1)"),
        ("train.lr={choice: [null]}", "expected a number"),
        ("x={points: [{train.lr: 1.0e-3, train.epochs: 0}]}", "train.epochs = 0 cannot be used"),
        ("train.epochs={float: [10, 20]}", "expected a whole number"),
        ("train.epochs={float: [10, 20], step: 2.5}", "train.epochs = 12.5 cannot be used; expected a whole number"),
        ("train.batch_size={float: [10, 20], log: true}", "expected a whole number"),
    ],
)
def test_values_that_cannot_be_trained_are_refused_with_their_axis(tmp_path, axis, says):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"axes.{axis}", text="study: a\n")
    assert caught.value.key == f"axes.{axis.partition('=')[0]}" and caught.value.file == "--set"
    assert says in str(caught.value)


def test_whole_numbers_on_a_lattice_of_floats_are_fine(tmp_path):
    assert load(tmp_path, "axes.train.epochs={float: [10, 20], step: 5}", text="study: a\n").axes


def test_an_end_that_the_file_forbids_but_other_axes_allow_is_fine(tmp_path):
    text = "study: a\ntrain: {dropout: {onset_epoch: 50}}\n"
    axes = ["axes.train.dropout.end_epoch={int: [10, 90], step: 10}"]
    with pytest.raises(ConfigError, match=r"at least the onset_epoch \(50\)"):
        load(tmp_path, *axes, text=text)
    assert load(tmp_path, *axes, "axes.train.dropout.onset_epoch={choice: [0, 50]}", text=text).axes


@pytest.mark.parametrize("sampler", ["grid", "ablation"])
def test_finite_searches_need_levels(tmp_path, sampler):
    with pytest.raises(ConfigError, match=f"{sampler} needs levels; give it a step, or a choice") as caught:
        load(tmp_path, f"search.sampler={sampler}", "axes.train.dropout.p={float: [0.1, 0.5]}", text="study: a\n")
    assert caught.value.key == "axes.train.dropout.p"


def test_a_grid_has_an_end(tmp_path):
    wide = ["axes.model.width={int: [1, 1000]}", "axes.train.seed={int: [1, 100]}"]
    assert LARGEST_GRID == 1000 * 100
    load(tmp_path, GRID, "search.trials=3", *wide, text="study: a\n")
    with pytest.raises(ConfigError, match=r"200,000 combinations; a grid of at most 100,000 points"):
        load(tmp_path, GRID, *wide, "axes.train.flips={choice: [true, false]}", text="study: a\n")


def test_presets_must_be_trainable(tmp_path):
    with pytest.raises(ConfigError, match=r"presets\.fast = 'lr=-1': .*expected a positive number") as caught:
        load(tmp_path, text="study: a\npresets:\n  slow: {train.lr: 1.0}\n  fast: {train.lr: -1}\n")
    assert caught.value.line == 4


def test_more_trials_than_there_is_to_try_are_refused(tmp_path):
    assert load(tmp_path, "search.trials=1", text="study: a\n").trials == 1
    with pytest.raises(ConfigError, match=r"nothing varies; add axes, or set search\.trials to 1"):
        load(tmp_path, "search.trials=2", text="study: a\n")


def test_a_gaussian_process_has_one_objective(tmp_path):
    metric = "objective.metric=[ks_mean, energy]"
    with pytest.raises(ConfigError, match="tpe, nsga2, random, qmc or grid for several objectives"):
        load(tmp_path, "search.sampler=gp", metric)
    load(tmp_path, "search.sampler=tpe", metric)


def test_enhancers_are_checked_likewise(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.critic\.norm = 'batch' cannot be used") as caught:
        load(tmp_path, "axes.model.critic.norm={choice: [none, batch]}", "model.critic.loss=wasserstein", text=PAIRS)
    assert caught.value.key == "axes.model.critic.norm"
