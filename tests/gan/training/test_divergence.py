"""Looks at a training, with numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from common.errors import FieldError
from gan.training.divergence import Health, estimate_batch_norm, losses_problem, spread_and_contrast, weights_problem


def test_losses_that_are_not_numbers():
    assert losses_problem(torch.tensor([1.0, 2.0, float("nan")])) is None
    assert "generator inf" in losses_problem(torch.tensor([1.0, float("inf")]))
    assert "discriminator nan" in losses_problem(torch.tensor([float("nan"), 1.0]))


def test_weights_that_are_not_numbers():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert weights_problem([network]) is None
    network[0].weight.data[:] = 1e15
    assert weights_problem([network]) is None
    network[0].weight.data[:] = 1e38  # its square is not finite: nothing can be made of it
    assert weights_problem([network]) == "a weight is not finite"
    network[0].weight.data[0, 0, 0, 0] = float("nan")
    assert weights_problem([network]) == "a weight is not finite"
    network[0].weight.data[:] = 1.0
    network[1].running_var[0] = float("inf")
    assert weights_problem([network]) == "a weight is not finite"


def test_spread_is_between_images_and_contrast_within_them():
    levels = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert spread_and_contrast(levels) == pytest.approx((2**0.5, 0.0))
    ramp = torch.linspace(-1, 1, 48).view(1, 3, 4, 4).expand(5, 3, 4, 4)
    assert spread_and_contrast(ramp) == pytest.approx((0.0, float(torch.linspace(-1, 1, 48).std())))


class Fixed(nn.Module):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def forward(self, x):
        return self.images[: len(x)]


@pytest.fixture
def real():
    return np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), np.uint8)


def look(health, images, epochs, steps=10_000):
    return [health.look(Fixed(images), torch.zeros(16, 1), steps=steps) for _ in range(epochs)]


def test_images_like_the_real_ones_are_healthy(real):
    health = Health(real)
    generated = torch.from_numpy(real[200:216]).permute(0, 3, 1, 2) / 127.5 - 1
    (spread, problem) = look(health, generated, 1)[0]
    assert spread == pytest.approx(1, abs=0.1) and problem is None


def test_one_image_again_and_again_is_a_collapse_after_three_epochs(real):
    generated = (torch.from_numpy(real[:1]).permute(0, 3, 1, 2) / 127.5 - 1).expand(16, 3, 8, 8)
    problems = [problem for _, problem in look(Health(real), generated, 4)]
    assert problems[:2] == [None, None]
    assert "for 3 epochs the generated images have been all alike" in problems[2]
    assert "for 4 epochs" in problems[3]
    assert [problem for _, problem in look(Health(real), generated, 4, steps=100)] == [None] * 4


def test_grey_images_are_a_collapse_although_they_differ(real):
    generated = torch.linspace(-1, 1, 16).view(16, 1, 1, 1).expand(16, 3, 8, 8)
    assert "flat" in look(Health(real), generated, 3)[-1][1]


def test_a_recovery_starts_the_count_again_and_the_count_is_kept(real):
    health = Health(real)
    same, different = torch.zeros(16, 3, 8, 8), torch.from_numpy(real[:16]).permute(0, 3, 1, 2) / 127.5 - 1
    look(health, same, 2)
    look(health, different, 1)
    assert look(health, same, 2)[-1][1] is None
    other = Health(real)
    other.load_state_dict(health.state_dict())
    assert look(other, same, 1)[-1][1] is not None


def test_batch_norms_get_the_statistics_of_their_inputs():
    network = nn.Sequential(nn.BatchNorm2d(2))
    inputs = torch.randn(256, 2, 3, 3, generator=torch.Generator().manual_seed(0)) * 3 + 5
    estimate_batch_norm(network, inputs)
    torch.testing.assert_close(network[0].running_mean, inputs.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network[0].running_var, inputs.var((0, 2, 3)), rtol=0.02, atol=0)
    assert network[0].momentum == 0.1 and not network.training


def test_looks_at_too_little_are_refused(real):
    for wrong in (real[:1], real.astype(float), real[0]):
        with pytest.raises(FieldError, match="real"):
            Health(wrong)
    with pytest.raises(FieldError, match="inputs"):
        Health(real).look(Fixed(torch.zeros(1, 3, 8, 8)), torch.zeros(1, 1), steps=1)
    with pytest.raises(FieldError, match="steps"):
        Health(real).look(Fixed(torch.zeros(2, 3, 8, 8)), torch.zeros(2, 1), steps=-1)
    with pytest.raises(FieldError, match="means"):
        losses_problem(torch.zeros(1))
    with pytest.raises(FieldError, match="images"):
        spread_and_contrast(torch.zeros(1, 3, 4, 4))
    with pytest.raises(FieldError, match="inputs"):
        estimate_batch_norm(nn.BatchNorm2d(2), torch.zeros(0, 2, 3, 3))
