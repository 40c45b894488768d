"""Studies of galaxies made small: the proportions stay."""

import copy

import pytest
import yaml

from study.config import load_study
from study.config.smoke import EPOCHS, WIDTH, scaled_axis, scaled_tree, shrink
from tests.study.config.spaces import GOOD, ROOT, load


def test_smoke_keeps_the_shape_of_schedules():
    study, small = (load_study(ROOT / "search_spaces" / "dcgan128.yaml", smoke=smoke) for smoke in (False, True))
    ratio = study.train.dropout.onset_epoch / study.train.epochs
    assert small.train.dropout.onset_epoch / small.train.epochs == ratio
    assert [a.name for a in small.axes] == [a.name for a in study.axes]


def test_epochs_and_widths_keep_their_proportions():
    raw = {
        "study": "a",
        "model": {"width": 128, "discriminator_width": 32},
        "train": {"epochs": 400, "lr_half_life": 100, "dropout": {"onset_epoch": 200, "end_epoch": 300, "p": 0.5}},
    }
    small = shrink(raw)
    assert small["train"]["epochs"] == EPOCHS and small["train"]["lr_half_life"] == 1
    assert small["train"]["dropout"] == {"onset_epoch": 2, "end_epoch": 3, "p": 0.5}
    assert small["model"] == {"width": WIDTH, "discriminator_width": WIDTH // 4}
    assert small["study"] == "a-smoke"


def test_the_wider_network_is_the_measure_of_both():
    small = shrink({"study": "a", "model": {"width": 16, "discriminator_width": 64}})
    assert small["model"] == {"width": 2, "discriminator_width": 8}


def test_what_is_small_already_is_not_made_larger():
    raw = {"study": "a", "model": {"width": 4}, "train": {"epochs": 3, "batch_size": 16},
           "search": {"trials": 2, "scheduler": {"grace_epochs": 1}},
           "objective": {"samples": 60, "every_epochs": 1, "finalists": 0}}  # fmt: skip
    small = shrink(raw)
    assert (small["model"]["width"], small["train"]["epochs"], small["train"]["batch_size"]) == (4, 3, 16)
    assert small["search"] == raw["search"]
    assert (small["objective"]["samples"], small["objective"]["every_epochs"]) == (60, 1)
    assert small["objective"]["finalists"] == 0


def test_the_given_contents_are_left_as_they_were():
    raw = yaml.safe_load(GOOD)
    before = copy.deepcopy(raw)
    shrink(raw)
    assert raw == before


def test_axes_presets_and_conditions_shrink_with_the_file(tmp_path):
    small = load(tmp_path, "presets={late: {train.dropout.onset_epoch: 30}}", smoke=True)
    onset, width, end = small.axes
    assert (onset.low, onset.high, onset.step) == (0, 4, None)
    assert (end.low, end.high, end.when[0].value) == (2, 4, 2)
    assert width.values == (4, 8) and small.train.dropout.p == 0.5
    assert small.presets == {"late": {"train.dropout.onset_epoch": 3}}


def test_bounds_that_would_fall_together_stay_apart():
    axis = scaled_axis("train.epochs", {"int": [100, 101], "step": 1}, lambda path, value: value // 100)
    assert axis == {"int": [1, 2]}
    same = scaled_axis("train.seed", {"int": [0, 9], "step": 3}, lambda path, value: value)
    assert same == {"int": [0, 9], "step": 3}


def test_choices_and_points_that_become_alike_are_there_once():
    halved = lambda path, value: value // 2 if path == "n" else value  # noqa: E731
    assert scaled_axis("n", {"choice": [2, 3, 4]}, halved) == {"choice": [1, 2]}
    points = scaled_axis("pair", {"points": [{"n": 2, "m": 5}, {"n": 3, "m": 5}, {"n": 3, "m": 6}]}, halved)
    assert points == {"points": [{"n": 1, "m": 5}, {"n": 1, "m": 6}]}


def test_one_and_true_are_two_choices():
    assert scaled_axis("x", {"choice": [1, True, 1.0]}, lambda path, value: value) == {"choice": [1, True, 1.0]}


def test_a_tree_is_scaled_by_dotted_path():
    tree = {"a": 1, "b": {"c": 2, "d": [3]}}
    assert scaled_tree("x", tree, lambda path, value: path) == {"a": "x.a", "b": {"c": "x.b.c", "d": "x.b.d"}}


@pytest.mark.parametrize("setting", ["data={set: /nowhere}", "resources={workers: 8, gpus_per_worker: 2}"])
def test_a_laptop_is_enough(tmp_path, setting):
    small = load(tmp_path, setting, smoke=True)
    assert small.data.set == "synthetic" and small.resources.workers <= 2
    assert small.resources.gpus_per_worker == 0 and small.resources.cpus_per_worker == 1
