"""The critic: bounded by its norm, and shown the input where it is conditional."""

from __future__ import annotations

import pytest
import torch

from gan.enhance.config import CriticConfig, UNetConfig
from gan.enhance.models.critic import critic
from tests.gan.enhance.networks import stream

pytestmark = pytest.mark.usefixtures("one_thread")


def test_spectral_norm_bounds_every_convolution():
    network = critic(
        CriticConfig(width=8, norm="none", spectral_norm=True),
        UNetConfig(image_size=32, depth=2, width=4),
        rng=stream(),
    )
    for _ in range(20):
        network(torch.randn(2, 3, 32, 32))  # the power iteration moves in training mode only
    network.eval()
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    assert len(convolutions) == 3
    for module in convolutions:
        assert torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2) == pytest.approx(1.0, abs=0.02)


def test_a_conditional_critic_sees_the_input():
    model = UNetConfig(image_size=32, depth=2, width=4, scale=2)
    network = critic(CriticConfig(width=8, conditional=True), model, rng=stream()).eval()
    images, inputs = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 32, 32)
    opinions = network(images, inputs)
    assert opinions.shape == (2,)
    assert not torch.equal(opinions, network(images, 1 - inputs))
    with pytest.raises(ValueError, match="needs the inputs"):
        network(images)
