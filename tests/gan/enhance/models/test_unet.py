"""The U-Net: its widths, its untrained output, its skips and its sides."""

from __future__ import annotations

import pytest
import torch

from gan.enhance.config import UNetConfig
from gan.enhance.models.critic import sides
from gan.enhance.models.layers import ShuffleUp
from gan.enhance.models.unet import attention_level, level_widths, unet
from tests.gan.enhance.networks import blocks, stream

pytestmark = pytest.mark.usefixtures("one_thread")


def test_every_doubling_of_a_unet_starts_with_constant_blocks():
    network = unet(UNetConfig(image_size=32, depth=3, width=4, scale=2), rng=stream())
    seen = []
    doublings = [module for module in network.modules() if isinstance(module, ShuffleUp)]
    for module in doublings:
        module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    network(torch.rand(2, 3, 32, 32, generator=stream()))
    assert len(seen) == len(doublings) == 4
    for made in seen:
        assert blocks(made).std(-1).max() == 0


def test_depth_and_width_follow_from_the_config():
    config = UNetConfig(image_size=224, depth=5, width=24, max_width=200)
    assert level_widths(config) == [24, 48, 96, 192, 200, 200]
    assert attention_level(UNetConfig(image_size=224, depth=4)) == 3  # 28 px
    assert sides(224) == [112, 56, 28, 14, 7]
    assert sides(64) == [32, 16, 8]


@pytest.mark.parametrize("scale", [1, 2])
def test_an_untrained_residual_unet_nearly_returns_its_input(scale):
    images = 0.1 + 0.8 * torch.nn.functional.interpolate(
        torch.rand(2, 3, 8, 8, generator=stream()), scale_factor=4, mode="bilinear"
    )
    network = unet(UNetConfig(image_size=32, depth=2, width=8, scale=scale), rng=stream())
    made = network(images)
    enlarged = torch.nn.functional.interpolate(images, scale_factor=scale, mode="bilinear")
    assert made.shape == enlarged.shape
    assert (made - (2 * enlarged - 1)).abs().mean() < 0.1


def test_black_and_saturated_pixels_have_finite_gradients():
    network = unet(UNetConfig(image_size=32, depth=2, width=4, norm="none"), rng=stream())
    images = (torch.rand(2, 3, 32, 32, generator=stream()) > 0.5).float().requires_grad_()
    network(images).sum().backward()
    assert torch.isfinite(images.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_decoder_sees_the_encoder():
    """Without anything from below, the input still reaches the output through the skip connections."""
    network = unet(UNetConfig(image_size=64, depth=4, width=4, residual=False, norm="none"), rng=stream()).eval()
    images = torch.rand(1, 3, 64, 64, generator=stream())
    for up in network.up:
        up.up.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    plain = network(images)
    images[0, :, 30, 30] += 0.5
    assert not torch.equal(network(images), plain)


def test_any_side_that_halves_is_taken():
    network = unet(UNetConfig(image_size=32, depth=2, width=4, scale=2), rng=stream()).eval()
    assert network(torch.rand(1, 3, 20, 36)).shape == (1, 3, 40, 72)
