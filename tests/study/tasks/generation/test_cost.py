"""What training and measuring cost, by arithmetic and by short runs."""

import math

import pytest

from gan.config import ModelConfig
from study.cluster.placement import Node, Placement
from study.tasks.generation import cost
from study.tasks.generation.cost import GalaxyCost, training_flops
from tests.study.config.spaces import load

PLACEMENT = Placement(1, 1, (Node(1, 0),))


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


def test_flops_of_an_enlarger_grow_as_its_pixels_and_its_channels_squared():
    small = ModelConfig(family="stackgan", image_size=32, width=32, discriminator_width=32)
    large = ModelConfig(family="stackgan", image_size=64, width=32, discriminator_width=32)
    wide = ModelConfig(family="stackgan", image_size=32, width=64, discriminator_width=64)
    assert 3.5 < training_flops(large) / training_flops(small) < 5
    assert 3 < training_flops(wide) / training_flops(small) < 4


def test_speeds_are_measured_here(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "CALIBRATION_S", 0.1)
    study = load(tmp_path, "model.width=2", "model.latent_dim=4", "data.image_size=16")
    found = GalaxyCost(study).calibrate(PLACEMENT)
    assert found.device == "cpu"
    assert 10 < found.images_per_second < 1e6 and 1 < found.measured_per_second < 1e5


def test_wide_networks_are_scaled_by_their_arithmetic(tmp_path, monkeypatch):
    """At 64 px no more than 32 channels are trained; four times as many take so much longer as the flops say."""
    monkeypatch.setattr(cost, "CALIBRATION_S", 0.1)
    study = load(tmp_path, "model.width=128", "model.discriminator_width=128", "train.batch_size=2")
    ratio = training_flops(study.model) / training_flops(ModelConfig(width=32))
    narrow = load(tmp_path, "model.width=32", "model.discriminator_width=32", "train.batch_size=2")
    rates = [GalaxyCost(each).calibrate(PLACEMENT).images_per_second for each in (narrow, study)]
    assert ratio > 10 and 0.3 < rates[0] / rates[1] / ratio < 3


def test_the_plan_in_words(tmp_path):
    lines = GalaxyCost(load(tmp_path, "model.discriminator_width=null", "objective.samples=800")).planned()
    assert lines["model"] == "dcgan, 64 px, width 16, discriminator width 16"
    assert lines["training"] == "40 epochs, batch 32, lr 0.0002"
    from eval.distances import KS_95_NULL, KS_MEAN_NULL

    mean, worst = (null * math.sqrt(2 / 800) for null in (KS_MEAN_NULL, KS_95_NULL))
    assert lines["objective"] == (f"ks_mean of 800 galaxies every 10 epochs; noise floor {mean:.3f} (95%: {worst:.3f})")
