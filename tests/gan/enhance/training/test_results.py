"""Means over the steps of an epoch, and what is told of them."""

import math

import pytest
import torch

from gan.enhance.training.results import Means, extra, losses_problem
from gan.training.distributed import ALONE


def test_means_are_over_the_steps():
    means = Means()
    assert means.over(ALONE) == {}
    for value in (1.0, 2.0, 6.0):
        means.add({"loss": torch.tensor(value), "mse": torch.tensor(-value)})
    assert means.steps == 3 and means.over(ALONE) == {"loss": 3.0, "mse": -3.0}


def test_a_loss_that_is_not_a_number_is_told_by_its_network():
    assert losses_problem({"loss": 1.0}, {}) is None
    assert "generator nan" in losses_problem({"loss": math.nan}, {"loss": 1.0})
    assert "discriminator inf" in losses_problem({}, {"loss": math.inf})


def test_only_terms_in_use_are_told():
    told = extra({"loss": 1.0, "pixel": 0.5, "mse": 0.01}, {"real": 2.0, "fake": -1.0})
    assert told == {"loss/pixel": 0.5, "psnr/train": pytest.approx(20.0), "score/real": 2.0, "score/fake": -1.0}
    assert extra({}, {}) == {}
    assert extra({"mse": 0.0}, {})["psnr/train"] == pytest.approx(100.0)
