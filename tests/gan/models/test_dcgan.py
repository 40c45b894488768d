"""The paper's DCGAN, number by number, and its fast layers against the plain ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gan.config import ModelConfig
from gan.models import build, parameter_count

PAPER_128 = ModelConfig(image_size=128, discriminator_width=32)


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


def test_dcgan_64_is_table_1():
    generator, discriminator = build(ModelConfig())
    assert parameter_count(generator) == 12_656_384
    assert parameter_count(discriminator) == 11_036_160
    assert [layer.out_channels for layer in convolutions(generator)] == [1024, 512, 256, 128, 3]
    assert [layer.out_channels for layer in convolutions(discriminator)] == [128, 256, 512, 1024, 1]
    assert [layer.padding[0] for layer in convolutions(generator)] == [0, 1, 1, 1, 1]
    assert [layer.padding[0] for layer in convolutions(discriminator)] == [1, 1, 1, 1, 0]


def test_dcgan_128_is_appendix_c():
    generator, discriminator = build(PAPER_128)
    assert parameter_count(generator) == 47_851_264
    assert parameter_count(discriminator) == 2_796_928
    assert [layer.out_channels for layer in convolutions(discriminator)] == [32, 64, 128, 256, 512, 1]


@pytest.mark.parametrize("kernel_size", [4, 6])
def test_the_128_discriminator_pads_its_first_layer(kernel_size):
    _, discriminator = build(ModelConfig(image_size=128, width=1, kernel_size=kernel_size))
    sides, x = [], torch.zeros(2, 3, 128, 128)
    for layer in discriminator.main:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sides.append(x.shape[2])
    assert sides == [66, 33, 16, 8, 4, 1]


def test_layout_of_the_released_generator():
    generator, _ = build(ModelConfig(width=2))
    keys = {key.rpartition(".")[0] for key in generator.state_dict()}
    assert keys == {f"main.{i}" for i in (0, 2, 6, 10, 14, 3, 7, 11)}
    assert isinstance(generator.main[0], nn.ConvTranspose2d)
    assert isinstance(generator.main[11], nn.BatchNorm2d)


def test_noise_may_be_a_vector_or_a_point():
    generator, _ = build(ModelConfig(image_size=16, width=3, latent_dim=5))
    z = torch.randn(4, 5)
    assert torch.equal(generator(z), generator(z[:, :, None, None]))


def test_first_and_last_layers_are_the_convolutions_they_replace():
    generator, discriminator = build(ModelConfig(image_size=16, width=3, latent_dim=5))
    first, last = generator.main[0], discriminator.main[-1]
    z, maps = torch.randn(4, 5, 1, 1), torch.randn(4, last.in_channels, 4, 4)
    torch.testing.assert_close(first(z), nn.functional.conv_transpose2d(z, first.weight))
    torch.testing.assert_close(last(maps), nn.functional.conv2d(maps, last.weight))
