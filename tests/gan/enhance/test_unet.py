"""What is special to the U-Net and its critic; what all networks share is in `test_conformance.py`."""

from __future__ import annotations

import pytest
import torch

from common.errors import FieldError
from gan.enhance.config import CriticConfig, UNetConfig
from gan.enhance.models.critic import critic, sides
from gan.enhance.models.layers import SelfAttention, ShuffleUp, initialise
from gan.enhance.models.unet import attention_level, level_widths, unet


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W, 4): the four pixels of every block."""
    return x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)


def test_shuffle_makes_constant_blocks_at_first_whatever_it_is_given():
    up = ShuffleUp(6, 5)
    initialise(up, stream())
    made = up(torch.randn(2, 6, 4, 4, generator=stream(1)))
    assert made.shape == (2, 5, 8, 8)
    assert torch.equal(blocks(made), blocks(made)[..., :1].expand(-1, -1, -1, -1, 4))
    constant = up(torch.full((1, 6, 4, 4), 0.7))
    assert torch.equal(constant, constant[..., :1, :1].expand_as(constant))
    assert made.std() > 0.1  # and is not trivially constant


def test_a_plain_start_would_not_be_constant():
    up = ShuffleUp(6, 5)
    assert blocks(up(torch.full((1, 6, 4, 4), 0.7))).std(-1).max() > 0.01


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


def test_attention_begins_as_the_identity_and_then_mixes_all_pixels():
    layer = SelfAttention(8)
    initialise(layer, stream())
    x = torch.randn(1, 8, 4, 4, generator=stream(1))
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.gate.fill_(1.0)
    other = x.clone()
    other[..., 3, 3] += 1.0
    assert ((layer(other) - layer(x)).abs().sum(1)[0] > 0).all()


def test_attention_weights_are_a_mean_over_pixels():
    """Equal keys look at all pixels alike: what is found is the mean."""
    layer = SelfAttention(8)
    initialise(layer, stream())
    with torch.no_grad():
        layer.key.weight.zero_()
        layer.gate.fill_(1.0)
    x = torch.randn(1, 8, 4, 4, generator=stream(1))
    expected = x + layer.out(layer.value(x).mean((2, 3), keepdim=True))
    torch.testing.assert_close(layer(x), expected)


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


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image_size": 60}, "image_size"),
        ({"image_size": 8, "depth": 1}, "image_size"),
        ({"depth": 0}, "depth"),
        ({"depth": 9, "image_size": 512}, "depth"),
        ({"width": 0}, "width"),
        ({"max_width": 4}, "max_width"),
        ({"norm": "layer"}, "norm"),
        ({"scale": 4}, "scale"),
        ({"dropout": 1.0}, "dropout"),
        ({"attention": True, "depth": 1}, "attention"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(change, field):
    with pytest.raises(FieldError) as caught:
        UNetConfig(**{"image_size": 224, "width": 8, **change})
    assert caught.value.field == field


def test_a_wasserstein_critic_cannot_have_batch_norm():
    with pytest.raises(FieldError, match="norm"):
        CriticConfig(loss="wasserstein", norm="batch")
