from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from common.errors import FieldError
from gan.enhance.config import CriticConfig, LossConfig
from gan.enhance.losses import CRITIC_LOSSES, PIXEL_LOSSES, CriticLoss, gradient_penalty


def test_pixel_losses_are_in_units_of_the_full_range():
    black, grey = torch.full((2, 3, 4, 4), -1.0), torch.full((2, 3, 4, 4), 0.0)
    assert PIXEL_LOSSES["l1"](grey, black) == pytest.approx(0.5)
    assert PIXEL_LOSSES["mse"](grey, black) == pytest.approx(0.25)


def test_critic_losses_in_closed_form():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    sigmoid = torch.sigmoid
    bce = -(sigmoid(real).log().mean() + (1 - sigmoid(fake)).log().mean())
    assert CRITIC_LOSSES["bce"].critic(real, fake) == pytest.approx(float(bce))
    assert CRITIC_LOSSES["hinge"].critic(real, fake) == pytest.approx((0 + 2) / 2 + (1.5 + 0) / 2)
    assert CRITIC_LOSSES["wasserstein"].critic(real, fake) == pytest.approx(-1.25 - 0.5)


def test_generator_losses_in_closed_form():
    fake = torch.tensor([0.5, -3.0])
    assert CRITIC_LOSSES["bce"].generator(fake) == pytest.approx(float(-torch.sigmoid(fake).log().mean()))
    assert CRITIC_LOSSES["hinge"].generator(fake) == CRITIC_LOSSES["wasserstein"].generator(fake) == pytest.approx(1.25)


def test_indifference_is_what_the_thresholds_are_told_to_be():
    zero = torch.zeros(4)
    assert CRITIC_LOSSES["bce"].critic(zero, zero) == pytest.approx(2 * math.log(2))
    assert CRITIC_LOSSES["hinge"].critic(zero, zero) == 2
    assert CRITIC_LOSSES["bce"].generator(zero) == pytest.approx(math.log(2))


def test_gradient_penalty_of_a_linear_critic():
    """A critic w . x has gradient w everywhere, so the penalty is (|w| - 1)^2."""
    weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    real, fake = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), real, fake, torch.rand(2))
    norm = weight.detach().norm()
    assert penalty.item() == pytest.approx(float((norm - 1) ** 2), rel=1e-5)
    penalty.backward()  # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    torch.testing.assert_close(weight.grad, 2 * (norm - 1) * weight.detach() / norm)


def test_gradient_penalty_is_taken_between_the_two():
    """A critic |x|^2 / 2 has gradient x: the mixture says where."""
    real, fake = torch.full((1, 1, 1, 1), 3.0), torch.full((1, 1, 1, 1), 1.0)
    for mixture, expected in ((1.0, 4.0), (0.0, 0.0), (0.5, 1.0)):
        penalty = gradient_penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real, fake, torch.tensor([mixture]))
        assert penalty.item() == pytest.approx(expected)


def test_a_loss_that_is_registered_is_a_setting_at_once(monkeypatch):
    monkeypatch.setitem(CRITIC_LOSSES, "mine", CriticLoss(critic=torch.add, generator=torch.sum, penalised=True))
    monkeypatch.setitem(PIXEL_LOSSES, "mine", torch.dist)
    assert CriticConfig(loss="mine").loss == LossConfig(pixel="mine").pixel == "mine"
    with pytest.raises(FieldError, match="the mine loss"):
        CriticConfig(loss="mine", norm="batch")
    for config, field in ((CriticConfig, "loss"), (LossConfig, "pixel")):
        with pytest.raises(FieldError, match='or "mine"'):
            config(**{field: "nothing"})


def test_settings_are_read_without_pytorch():
    code = "import sys, gan.enhance.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
