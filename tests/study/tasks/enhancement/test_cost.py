"""What a study of enhancers costs, by arithmetic and by short runs."""

import dataclasses

import pytest

from gan.enhance.config import CriticConfig
from study.cluster.placement import Node, Placement
from study.config import load_study
from study.config.pair_sections import EnhancerConfig
from study.tasks.enhancement import cost
from study.tasks.enhancement.cost import PairCost, network_flops, training_flops
from tests.study.small_pairs import space

PLACEMENT = Placement(1, 1, (Node(1, 0),))
MODEL = EnhancerConfig(image_size=32, depth=2, width=8, critic=CriticConfig(width=8))


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_each_phase_costs_what_it_trains(study):
    generator, critic = network_flops(MODEL)
    assert generator > 0 and critic > 0

    def lasting(generator=0, critic=0, adversarial=0):
        phases = {"generator": generator, "critic": critic, "adversarial": adversarial}
        changed = {name: dataclasses.replace(getattr(study.train, name), epochs=n) for name, n in phases.items()}
        return training_flops(MODEL, dataclasses.replace(study.train, **changed))

    assert lasting(generator=5) == 3 * generator
    assert lasting(critic=5) == 6 * critic
    assert lasting(adversarial=5) == 2 * generator + 4 * critic
    assert lasting(2, 1, 1) == pytest.approx((2 * 3 * generator + 6 * critic + 2 * generator + 4 * critic) / 4)


def test_flops_grow_as_the_pixels():
    (small, _), (large, _) = network_flops(MODEL), network_flops(dataclasses.replace(MODEL, image_size=64))
    assert large == pytest.approx(4 * small, rel=0.01)


def test_speeds_are_measured_here(study, monkeypatch):
    monkeypatch.setattr(cost, "CALIBRATION_S", 0.1)
    found = PairCost(study).calibrate(PLACEMENT)
    assert found.device == "cpu"
    assert 1 < found.images_per_second < 1e6 and 0.1 < found.measured_per_second < 1e5


def test_the_plan_in_words(study, tmp_path):
    lines = PairCost(study).planned()
    assert lines["model"] == "unet, 16 px to 16 px, depth 2, width 4; critic: bce, width 4"
    assert lines["training"].startswith(
        "4 epochs (generator 1, critic 1, adversarial 2), batch 8, lr 0.001, then 0.0001"
    )
    assert lines["objective"] == "psnr (largest) of 8 pairs every 2 epochs"
    settings = ["train.critic.epochs=0", "train.generator.patience=5", "model.attention=true"]
    other = PairCost(load_study(space(tmp_path), settings)).planned()
    assert "(generator 1 (until 5 stale), adversarial 2)" in other["training"] and ", attention;" in other["model"]
