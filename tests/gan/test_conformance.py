"""What every family of networks must do. A new family joins by one entry in `CASES`."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from gan import checkpoint
from gan.config import ModelConfig, TrainConfig
from gan.models import FAMILIES, build, parameter_count
from gan.models.dcgan import layer_count
from gan.training import Trainer


def dcgan_parameters(config: ModelConfig) -> tuple[int, int]:
    """Closed form, from F&M Table 1: sums over layers of C_in C_out K^2, and 2 C per batch norm."""
    k2, w, dw = config.kernel_size**2, config.width, config.effective_discriminator_width
    hidden = layer_count(config.image_size) - 1
    top = 2 ** (hidden - 1)
    inner = sum(2 ** (2 * i + 1) for i in range(hidden - 1))  # products of neighbouring widths, in units of width^2
    norms = 2 * sum(2**i for i in range(hidden - 1)) * config.batch_norm
    generator = 16 * config.latent_dim * w * top + k2 * (w * w * inner + w * config.channels) + w * norms
    norms_d = 2 * sum(2**i for i in range(1, hidden)) * config.batch_norm
    discriminator = k2 * (config.channels * dw + dw * dw * inner) + 16 * dw * top + dw * norms_d
    return generator, discriminator


def stackgan_parameters(config: ModelConfig) -> tuple[int, int]:
    """Closed form, from F&M Table 1: 13 square 3 x 3 layers in the trunk, a head of 4 W."""
    k2, w, c, dw = config.kernel_size**2, config.width, config.channels, config.effective_discriminator_width
    generator = k2 * c * w + 13 * 9 * w * w + 9 * 4 * w * w + 9 * 4 * w * c
    generator += (2 * 13 * w + 2 * 4 * w) * config.batch_norm
    hidden = layer_count(config.image_size) - 1
    widths = [dw, 2 * dw, 4 * dw] if hidden == 3 else [dw] + [2 * dw] * (hidden - 3) + [4 * dw, 8 * dw]
    discriminator = k2 * (c * dw + sum(a * b for a, b in itertools.pairwise(widths))) + 16 * widths[-1]
    return generator, discriminator + 2 * sum(widths[1:]) * config.batch_norm


@dataclass(frozen=True)
class Case:
    """One family: a config that trains in a moment, changes it must bear, and its parameter counts."""

    small: ModelConfig
    variants: tuple[dict[str, Any], ...]
    parameters: Callable[[ModelConfig], tuple[int, int]]


CASES = {
    "dcgan": Case(
        small=ModelConfig(family="dcgan", image_size=16, width=4, latent_dim=7),
        variants=(
            {},
            {"width": 5, "discriminator_width": 3},
            {"channels": 1},
            {"channels": 5, "kernel_size": 6},
            {"kernel_size": 6, "image_size": 32},
            {"batch_norm": False},
            {"image_size": 64, "width": 2},
            {"image_size": 128, "width": 1, "discriminator_width": 2},
            {"image_size": 128, "width": 1, "kernel_size": 6, "batch_norm": False},
            {"image_size": 512, "width": 1},
        ),
        parameters=dcgan_parameters,
    ),
    "stackgan": Case(
        small=ModelConfig(family="stackgan", image_size=32, width=4),
        variants=(
            {},
            {"long_skip": "equation_19"},
            {"width": 5, "discriminator_width": 3, "channels": 1},
            {"channels": 5, "kernel_size": 6},
            {"image_size": 64, "width": 2, "batch_norm": False},
            {"image_size": 128, "width": 2},
            {"image_size": 256, "width": 1},
        ),
        parameters=stackgan_parameters,
    ),
}

families = pytest.mark.parametrize("name", CASES)
variants = pytest.mark.parametrize(
    "config",
    [
        pytest.param(dataclasses.replace(case.small, **change), id=f"{name}-{change or 'small'}")
        for name, case in CASES.items()
        for change in case.variants
    ],
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def inputs(config: ModelConfig, n: int) -> torch.Tensor:
    family = FAMILIES[config.family]
    rng = torch.Generator().manual_seed(1)
    if family.input_size is None:
        return torch.randn(n, config.latent_dim, generator=rng)
    side = family.input_size(config)
    return torch.rand(n, config.channels, side, side, generator=rng)


def images(config: ModelConfig, n: int = 24) -> dict[int, np.ndarray]:
    family = FAMILIES[config.family]
    sides = {config.image_size} | ({family.input_size(config)} if family.input_size else set())
    rng = np.random.default_rng(0)
    return {side: rng.integers(0, 256, (n, side, side, config.channels), np.uint8) for side in sides}


def networks(config: ModelConfig):
    return build(config, rng=torch.Generator().manual_seed(0))


def test_every_family_is_here():
    assert set(CASES) == set(FAMILIES)


@variants
def test_shapes_and_ranges(config):
    generator, discriminator = networks(config)
    fake = generator(inputs(config, 3))
    assert fake.shape == (3, config.channels, config.image_size, config.image_size)
    assert fake.abs().max() <= 1
    logits = discriminator(fake)
    assert logits.shape == (3,)
    assert torch.isfinite(logits).all()


@variants
def test_parameter_counts(config):
    generator, discriminator = networks(config)
    assert (parameter_count(generator), parameter_count(discriminator)) == CASES[config.family].parameters(config)
    for network in (generator, discriminator):
        biased = [m for m in network.modules() if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)) and m.bias]
        assert not biased


@variants
def test_every_parameter_gets_a_finite_gradient_that_is_not_zero(config):
    generator, discriminator = networks(config)
    discriminator(generator(inputs(config, 4))).square().sum().backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


@families
def test_same_seed_same_weights(name):
    first, second = networks(CASES[name].small), networks(CASES[name].small)
    for a, b in zip(first, second, strict=True):
        for key, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[key]), key


@families
def test_dropout_acts_in_training_and_not_in_evaluation(name):
    config = CASES[name].small
    generator, discriminator = networks(config)
    source = inputs(config, 4)
    for network, x in ((generator, source), (discriminator, generator(source).detach())):
        assert network.dropout_slots()
        network.train()
        plain = network(x)
        for where in ("hidden", "last"):
            network.set_dropout(0.5, where)
            network.set_dropout_stream(torch.Generator().manual_seed(3))
            dropped = network(x)
            assert not torch.allclose(plain, dropped)
            network.set_dropout_stream(torch.Generator().manual_seed(3))
            assert torch.equal(dropped, network(x))
        network.set_dropout(0.5, "none")
        assert torch.equal(plain, network(x))
        network.eval()
        quiet = network(x)
        network.set_dropout(0.5, "hidden")
        assert torch.equal(quiet, network(x))


@families
def test_channels_last_changes_nothing_but_rounding(name):
    config = CASES[name].small
    for network, x in zip(networks(config), (inputs(config, 4), networks(config)[0](inputs(config, 4))), strict=True):
        other = copy.deepcopy(network).to(memory_format=torch.channels_last)
        torch.testing.assert_close(network(x), other(x), rtol=1e-4, atol=1e-5)


@families
def test_save_load_same_next_step(name, tmp_path):
    config = CASES[name].small
    train = TrainConfig(batch_size=8, ema_decay=0.9, label_smoothing=0.1, precision="float32")
    trainer = Trainer(config, train, images(config), device="cpu", threads=1)
    trainer.train_epoch()
    checkpoint.save(trainer, tmp_path / "c.pt")
    other = checkpoint.resume(tmp_path / "c.pt", images(config), device="cpu", threads=1)
    assert trainer.train_epoch().loss_generator == other.train_epoch().loss_generator
    assert checkpoint.checksum(trainer.state_dict()) == checkpoint.checksum(other.state_dict())


@families
def test_training_learns_its_task(name):
    """After some steps the discriminator tells noise from the generator's smooth images."""
    config = CASES[name].small
    trainer = Trainer(config, TrainConfig(batch_size=8, lr=2e-3, precision="float32"), images(config), device="cpu")
    first = trainer.train_epoch()
    for _ in range(5):
        last = trainer.train_epoch()
    assert last.loss_discriminator < first.loss_discriminator - 0.1
    assert last.score_real > last.score_fake + 0.1
