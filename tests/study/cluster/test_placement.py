"""How trials fit on machines."""

from pathlib import Path

import pytest

from common.processors import available_cpus
from study.cluster.placement import Node, local_node, place, workers_that_fit
from study.config import load_study
from study.config.errors import InputError

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


def test_a_worker_has_whole_threads_and_at_least_one():
    for cpus, threads in ((4, 4), (2.5, 2), (0.5, 1)):
        study = load_study(SPACE, [f"resources={{cpus_per_worker: {cpus}}}"])
        assert place(study, (Node(8, 0),)).threads == threads


def test_the_nodes_are_remembered():
    nodes = (Node(4, 1), Node(2, 0))
    assert place(load_study(SPACE), nodes).nodes == nodes


def test_what_is_short_is_said_with_what_to_do():
    with pytest.raises(InputError, match=r"2 CPUs and 0 GPUs on 1 node\(s\).*--set resources\.gpus_per_worker=0$"):
        place(load_study(SPACE), (Node(2, 0),))
    with pytest.raises(InputError, match=r"2 CPUs and 2 GPUs on 2 node\(s\); lower resources\.workers"):
        place(load_study(SPACE), (Node(1, 1), Node(1, 1)))


def test_this_machine():
    import torch

    assert local_node() == Node(float(available_cpus()), float(torch.cuda.device_count()))
