"""What a study will do, by arithmetic."""

import io

import pytest
from rich.console import Console

from study.cluster.placement import Node, Placement
from study.config import load_study
from study.search.plan import STARTUP_S, duration, expected_epochs, expected_seconds, rows, show
from study.tasks.task import Cost
from tests.study.config.spaces import GOOD, ROOT, load

SPACE = ROOT / "search_spaces" / "dcgan128.yaml"
PLANNED = {"model": "a model", "training": "a training", "objective": "an objective"}
NODES = (Node(4, 1), Node(2, 0))


def test_expected_epochs_of_successive_halving():
    study = load_study(SPACE)  # rungs 40, 120, 360 of 400; a third goes on at each
    assert expected_epochs(study) == pytest.approx(40 + 80 / 3 + 240 / 9 + 40 / 27)
    assert expected_epochs(load_study(SPACE, ["search.scheduler.name=none"])) == 400


def test_durations_as_people_say_them():
    assert [duration(s) for s in (30, 600, 7200, 3e6)] == ["30 s", "10 min", "2.0 h", "35 days"]


def test_times_change_their_unit_where_people_do():
    times = (0.4, 89, 91, 5399, 5401, 47.9 * 3600, 48.1 * 3600)
    assert [duration(s) for s in times] == ["0 s", "89 s", "2 min", "90 min", "1.5 h", "47.9 h", "2 days"]


def test_expected_seconds_of_a_search_without_early_stopping(tmp_path):
    """7 trials, 2 at once: 4 rounds of 40 epochs of 1,000 images at 100/s and of 4 evaluations of 500 at 50/s."""
    study = load(
        tmp_path, "search={sampler: random, trials: 7, scheduler: {name: none}}",
        "objective={samples: 500, every_epochs: 10, finalists: 3, final_samples: 800}",
    )  # fmt: skip
    seconds = expected_seconds(study, Placement(2, 1, NODES), Cost(100.0, 50.0, "cpu"), 1000)
    assert seconds == pytest.approx(4 * (400 + 40 + STARTUP_S) + 3 * 800 / (50 * 2))


def test_workers_share_the_images_of_a_trial(tmp_path):
    placement, cost = Placement(1, 1, NODES), Cost(100.0, 1e9, "cpu")
    one, two = (
        expected_seconds(load(tmp_path, f"resources.workers={n}", "objective.finalists=0"), placement, cost, 1000)
        for n in (1, 2)
    )
    assert one - 5 * STARTUP_S == pytest.approx(2 * (two - 5 * STARTUP_S), rel=1e-6)


def test_the_plan_says_what_is_varied_from_what(tmp_path):
    study = load(
        tmp_path, "presets={early: {train.dropout.onset_epoch: 5}}", "description=What of it?",
        "axes.both={points: [{train.lr: 1.0e-3, train.batch_size: 8}]}", "search.scheduler.grace_epochs=5",
    )  # fmt: skip
    lines = dict(rows(study, PLANNED, Placement(2, 1, NODES), "the galaxies"))
    assert lines["study"] == "demo: What of it?" and lines["galaxies"] == "the galaxies"
    assert [lines[name] for name in PLANNED] == list(PLANNED.values())
    assert lines["trials"] == "5 by random; first: baseline, preset:early"
    assert lines["  model.discriminator_width"] == "{8, 16}, baseline none"
    assert lines["  train.dropout.onset_epoch"] == "[0, 40] step 10, baseline none"
    assert lines["  train.dropout.end_epoch"].endswith("when train.dropout.onset_epoch below 20, baseline none")
    assert lines["  both"] == "{lr=0.001 batch_size=8}, baseline lr=0.0002 batch_size=32"
    assert lines["  preset early"] == "dropout.onset_epoch=5"
    assert lines["early stopping"] == "asha, rungs at 5, 15; best 1/3 go on"
    assert lines["one trial"] == "1 worker(s), each 1 CPU, 0 GPU"
    assert lines["at once"] == "2 trial(s) on 6 CPUs, 1 GPUs"
    assert "expected time" not in lines


def test_a_grid_counts_its_points_and_an_ablation_never_stops_early(tmp_path):
    grid = load(tmp_path, "search={sampler: grid}", text=GOOD)
    assert dict(rows(grid, PLANNED, None, ""))["trials"] == "19 by grid; first: 19 points"
    ablation = load(tmp_path, "search={sampler: ablation}", "axes.train.dropout.end_epoch=null")
    lines = dict(rows(ablation, PLANNED, None, ""))
    assert lines["early stopping"] == "none" and "at once" not in lines
    assert lines["trials"] == "8 by ablation; first: baseline, train.dropout.onset_epoch, model.discriminator_width"


def test_the_time_stands_beside_the_speeds_it_comes_from(tmp_path):
    lines = dict(rows(load(tmp_path), PLANNED, None, "", seconds=600.0, cost=Cost(1234.5, 67.8, "cpu")))
    assert lines["expected time"] == "about 10 min (1.23e+03 training images/s and 68 measured/s a trial on this cpu)"


def test_the_plan_is_printed_line_by_line():
    text = io.StringIO()
    show(Console(file=text, width=60), [("study", "a: b"), ("  model.width", "{2, 3}")])
    assert [line.rstrip() for line in text.getvalue().splitlines()] == ["study          a: b", "  model.width  {2, 3}"]
