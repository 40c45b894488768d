"""Losses against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from common.errors import FieldError
from gan.training import losses


def test_values_at_zero_logits():
    zero = torch.zeros(4)
    for loss in (losses.real_loss(zero), losses.fake_loss(zero), losses.generator_loss(zero)):
        assert float(loss) == pytest.approx(math.log(2))


def test_they_are_logarithms_of_probabilities():
    logits = torch.linspace(-4, 4, 9, dtype=torch.float64)
    s = logits.sigmoid()
    assert float(losses.real_loss(logits)) == pytest.approx(float(-s.log().mean()), rel=1e-6)
    assert float(losses.fake_loss(logits)) == pytest.approx(float(-(1 - s).log().mean()), rel=1e-6)
    assert float(losses.generator_loss(logits)) == pytest.approx(float(-s.log().mean()), rel=1e-6)


def test_the_generator_loss_does_not_saturate():
    logits = torch.full((1,), -20.0, requires_grad=True)
    losses.generator_loss(logits).backward()
    assert float(logits.grad) == pytest.approx(-1.0, abs=1e-6)


def test_smooth_labels_are_cross_entropy_and_may_exceed_one():
    logits, labels = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([0.7, 1.3, 1.0])
    s = logits.sigmoid()
    expected = -(labels * s.log() + (1 - labels) * (1 - s).log()).mean()
    assert float(losses.real_loss(logits, labels)) == pytest.approx(float(expected), rel=1e-6)
    torch_own = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    assert float(losses.real_loss(logits, labels)) == pytest.approx(float(torch_own), rel=1e-6)


def test_labels_are_uniform_in_their_range():
    labels = losses.smooth_labels(20_000, 0.3, rng=torch.Generator().manual_seed(0))
    assert 0.7 <= float(labels.min()) < 0.701
    assert 1.299 < float(labels.max()) <= 1.3
    assert float(labels.mean()) == pytest.approx(1.0, abs=0.005)
    assert float(labels.std()) == pytest.approx(0.6 / math.sqrt(12), rel=0.02)
    assert losses.smooth_labels(3, 0.0, rng=torch.Generator()) is None


def test_extreme_half_precision_logits_stay_finite():
    logits = torch.tensor([-300.0, 300.0], dtype=torch.bfloat16)
    for loss in (losses.real_loss, losses.fake_loss, losses.generator_loss):
        assert torch.isfinite(loss(logits))


def test_dual_loss_compares_channel_sums():
    real, fake = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    fake[:, 0], fake[:, 1] = 0.5, -0.5
    assert float(losses.dual_loss(real, fake)) == 0.0
    fake[:, 2] = 0.25
    assert float(losses.dual_loss(real, fake)) == pytest.approx(0.0625)


def test_arguments_that_would_be_broadcast_are_refused():
    with pytest.raises(FieldError, match="labels"):
        losses.real_loss(torch.zeros(4), torch.ones(4, 1))
    with pytest.raises(FieldError, match="fake"):
        losses.dual_loss(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(("n", "delta", "named"), [(0, 0.1, "n = 0"), (2, -0.1, "delta"), (2, 1.0, "delta")])
def test_labels_out_of_range_are_refused(n, delta, named):
    with pytest.raises(FieldError, match=named):
        losses.smooth_labels(n, delta, rng=torch.Generator())
