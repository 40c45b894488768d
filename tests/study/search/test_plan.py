"""Placement and cost by arithmetic."""

from pathlib import Path

import pytest

from gan.config import ModelConfig
from study.cluster.placement import Node, place, workers_that_fit
from study.config import load_study
from study.config.errors import InputError
from study.search.plan import duration, expected_epochs
from study.tasks.generation.cost import training_flops

SPACE = Path(__file__).resolve().parents[3] / "search_spaces" / "dcgan128.yaml"


@pytest.mark.parametrize(
    ("node", "cpus", "gpus", "fit"),
    [
        (Node(8, 0), 2, 0, 4),
        (Node(8, 2), 2, 0.5, 4),
        (Node(8, 1), 2, 0.3, 3),
        (Node(16, 8), 1, 2, 4),
        (Node(1, 4), 2, 1, 0),
        (Node(2, 0), 1, 1, 0),
        (Node(2, 0), 0.5, 0, 4),
    ],
)
def test_workers_on_a_node(node, cpus, gpus, fit):
    assert workers_that_fit(node, cpus, gpus) == fit


def test_fractions_of_a_gpu_pack_trials_and_the_cap_holds():
    study = load_study(SPACE)
    assert place(study, (Node(16, 2),)).concurrent == 4
    assert place(study, (Node(2, 1), Node(2, 1))).concurrent == 2
    capped = load_study(SPACE, ["resources.max_concurrent=3"])
    assert place(capped, (Node(64, 8),)).concurrent == 3
    assert place(load_study(SPACE, ["search.trials=2"]), (Node(64, 8),)).concurrent == 2


def test_workers_of_one_trial_may_stand_on_several_nodes():
    study = load_study(SPACE, ["resources={workers: 2, cpus_per_worker: 2, gpus_per_worker: 1}"])
    assert place(study, (Node(2, 1), Node(2, 1))).concurrent == 1


@pytest.mark.parametrize("nodes", [(Node(2, 0),), (Node(1, 1),)])
def test_a_plan_that_cannot_run_is_refused_with_a_sentence(nodes):
    with pytest.raises(InputError, match=r"one trial needs 1 worker\(s\) of 2 CPU and 0.5 GPU, and there are"):
        place(load_study(SPACE), nodes)


def test_expected_epochs_of_successive_halving():
    study = load_study(SPACE)  # rungs 40, 120, 360 of 400; a third goes on at each
    assert expected_epochs(study) == pytest.approx(40 + 80 / 3 + 240 / 9 + 40 / 27)
    assert expected_epochs(load_study(SPACE, ["search.scheduler.name=none"])) == 400


def test_training_flops_match_the_convolutions():
    # Forward of an l-layer by hand: 2 * multiplications; the generator's first layer makes 4 x 4 from 1 x 1.
    w, z = 16, 100
    generator = 2 * 16 * z * 8 * w
    side = 4
    for inner, outer in ((8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w), (w, 3)):
        generator += 2 * 16 * inner * outer * side**2
        side *= 2
    discriminator, side = 0, 32
    for inner, outer in ((3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)):
        discriminator += 2 * 16 * inner * outer * side**2
        side //= 2
    discriminator += 2 * 16 * 8 * w
    assert training_flops(ModelConfig(width=16)) == pytest.approx(3 * generator + 8 * discriminator)


def test_durations_as_people_say_them():
    assert [duration(s) for s in (30, 600, 7200, 3e6)] == ["30 s", "10 min", "2.0 h", "35 days"]
