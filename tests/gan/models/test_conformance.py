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

from gan.config import ModelConfig, TrainConfig
from gan.enhance.config import (
    AdversarialPhase,
    CriticConfig,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    SwitcherConfig,
    UNetConfig,
)
from gan.enhance.models.critic import critic, critic_widths, sides
from gan.enhance.models.layers import SelfAttention
from gan.enhance.models.unet import attention_level, level_widths, unet
from gan.enhance.training import checkpoint as enhance_checkpoint
from gan.enhance.training.trainer import EnhanceTrainer
from gan.models import FAMILIES, build, parameter_count
from gan.models.dcgan import layer_count
from gan.training import checkpoint
from gan.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("one_thread")


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
class Enhancer:
    """A U-Net and its critic under the names that the suite uses."""

    model: UNetConfig
    critic: CriticConfig
    family = "unet"

    @property
    def channels(self) -> int:
        return self.model.channels

    @property
    def image_size(self) -> int:
        return self.model.output_size


def unet_parameters(config: Enhancer) -> tuple[int, int]:
    """Closed form: convolutions C_in C_out K^2, a scale and a shift per normalised channel or a bias, attention."""
    model, c = config.model, config.channels
    widths, per = level_widths(model), 1 if model.norm == "none" else 2
    loose = 0 if model.norm == "none" else 2  # of convolutions that never have a bias
    generator = 9 * c * widths[0] + per * widths[0]
    for here, below in itertools.pairwise(widths):
        generator += 16 * here * below + loose * below + 9 * below * below + per * below  # down
        generator += 4 * here * below + loose * here + 9 * (2 + 1) * here * here + 2 * per * here  # up
    if model.attention:
        generator += attention_parameters(widths[attention_level(model)])
    last = widths[0]
    if model.scale == 2:
        last = max(1, widths[0] // 2)
        generator += 4 * widths[0] * last + loose * last
    generator += 9 * last * c + c
    critic_layers = critic_widths(config.critic, config.image_size)
    discriminator = 16 * sum(a * b for a, b in itertools.pairwise([c, *critic_layers])) + 9 * critic_layers[-1] + 1
    discriminator += 2 * sum(critic_layers[1:]) * (config.critic.norm != "none")
    if config.critic.attention:
        seen = [side for side in sides(config.image_size) if side <= 32]
        discriminator += attention_parameters(critic_layers[-len(seen)])
    return generator, discriminator


def attention_parameters(channels: int) -> int:
    return channels * (2 * max(1, channels // 8) + 2 * max(1, channels // 2)) + 1


@dataclass(frozen=True)
class Case:
    """One family: a config that trains in a moment, changes it must bear, and its parameter counts."""

    small: Any
    variants: tuple[dict[str, Any], ...]
    parameters: Callable[[Any], tuple[int, int]]

    def networks(self, config: Any):
        return build(config, rng=torch.Generator().manual_seed(0))

    def input_side(self, config: Any) -> int | None:
        """Side of the images that the generator takes; None: it takes noise."""
        of_family = FAMILIES[config.family].input_size
        return of_family and of_family(config)

    def trainer(self, config: Any, **changes: Any):
        train = TrainConfig(batch_size=8, precision="float32", **changes)
        return Trainer(config, train, images(config), device="cpu", threads=1)

    def resume(self, path: Any, config: Any):
        return checkpoint.resume(path, images(config), device="cpu", threads=1)

    def scores(self, result: Any) -> tuple[float, float]:
        return result.score_real, result.score_fake


class EnhancerCase(Case):
    """The enhancers: their own configs and trainer, the same demands."""

    def networks(self, config: Enhancer):
        rng = torch.Generator().manual_seed(0)
        both = unet(config.model, rng=rng), critic(config.critic, config.model, rng=rng)
        for network in both:
            for module in network.modules():
                if isinstance(module, SelfAttention):
                    torch.nn.init.constant_(module.gate, 0.5)  # 0 at first: nothing behind it would have a gradient
        return both

    def input_side(self, config: Enhancer) -> int:
        return config.model.image_size

    def trainer(self, config: Enhancer, *, lr: float = 2e-4, **changes: Any):
        phase = AdversarialPhase(epochs=9, lr=lr, critic_lr_ratio=4.0, switcher=SwitcherConfig(kind="fixed"))
        train = EnhanceTrainConfig(
            batch_size=4,
            precision="float32",
            generator=GeneratorPhase(epochs=0),
            critic=CriticPhase(epochs=0),
            adversarial=phase,
            **{key: value for key, value in changes.items() if key != "label_smoothing"},
        )
        return EnhanceTrainer(config.model, config.critic, train, *self._pairs(config), device="cpu", threads=1)

    def resume(self, path: Any, config: Enhancer):
        return enhance_checkpoint.resume(path, *self._pairs(config), device="cpu", threads=1)

    def _pairs(self, config: Enhancer) -> tuple[np.ndarray, np.ndarray]:
        targets = images(config)[config.image_size]
        return targets[:, :: config.model.scale, :: config.model.scale], targets

    def scores(self, result: Any) -> tuple[float, float]:
        return result.extra["score/real"], result.extra["score/fake"]


def enhancers(*changes: tuple[dict[str, Any], dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Variants of `SMALL`, from changes of the U-Net and of its critic."""
    return tuple(
        {
            "model": dataclasses.replace(SMALL.model, **of_model),
            "critic": dataclasses.replace(SMALL.critic, **of_critic),
        }
        for of_model, of_critic in changes
    )


SMALL = Enhancer(UNetConfig(image_size=32, depth=2, width=4, residual=False), CriticConfig(width=4, norm="none"))

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
    "unet": EnhancerCase(
        small=SMALL,
        variants=enhancers(
            ({}, {}),
            ({"scale": 2, "residual": True}, {"width": 3}),
            ({"norm": "none", "channels": 5}, {"norm": "instance"}),
            ({"norm": "instance", "channels": 1, "scale": 2}, {"norm": "batch"}),
            ({"attention": True, "width": 8}, {"attention": True}),
            ({"spectral_norm": True, "attention": True, "depth": 3, "max_width": 8}, {"spectral_norm": True}),
            ({"image_size": 224, "width": 1, "depth": 5}, {"width": 1, "max_width": 2}),
            ({"image_size": 48, "width": 5, "depth": 4, "norm": "none", "scale": 2}, {"attention": True}),
        ),
        parameters=unet_parameters,
    ),
}


def label(change: dict[str, Any]) -> str:
    """The fields that a variant changes."""
    found = {}
    for key, value in change.items():
        if dataclasses.is_dataclass(value):
            was = dataclasses.asdict(getattr(SMALL, key))
            found |= {f"{key}.{k}": v for k, v in dataclasses.asdict(value).items() if v != was[k]}
        else:
            found[key] = value
    return ",".join(f"{key}={value}" for key, value in found.items())


families = pytest.mark.parametrize("name", CASES)
variants = pytest.mark.parametrize(
    "config",
    [
        pytest.param(dataclasses.replace(case.small, **change), id=f"{name}-{label(change) if i else 'small'}")
        for name, case in CASES.items()
        for i, change in enumerate(case.variants)
    ],
)


def inputs(config: Any, n: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    side = CASES[config.family].input_side(config)
    if side is None:
        return torch.randn(n, config.latent_dim, generator=rng)
    return torch.rand(n, config.channels, side, side, generator=rng)


def images(config: Any, n: int = 24) -> dict[int, np.ndarray]:
    sides = {config.image_size, CASES[config.family].input_side(config)} - {None}
    rng = np.random.default_rng(0)
    return {side: rng.integers(0, 256, (n, side, side, config.channels), np.uint8) for side in sides}


def networks(config: Any):
    return CASES[config.family].networks(config)


def test_every_family_is_here():
    assert set(CASES) == {*FAMILIES, "unet"}


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
    for network in (generator, discriminator) if config.family in FAMILIES else ():
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
    trainer = CASES[name].trainer(config, ema_decay=0.9, label_smoothing=0.1)
    trainer.train_epoch()
    checkpoint.save(trainer, tmp_path / "c.pt")
    other = CASES[name].resume(tmp_path / "c.pt", config)
    assert trainer.train_epoch().loss_generator == other.train_epoch().loss_generator
    assert checkpoint.checksum(trainer.state_dict()) == checkpoint.checksum(other.state_dict())


@families
def test_training_learns_its_task(name):
    """After some steps the discriminator tells noise from the generator's smooth images."""
    trainer = CASES[name].trainer(CASES[name].small, lr=2e-3)
    first = trainer.train_epoch()
    for _ in range(5):
        last = trainer.train_epoch()
    assert last.loss_discriminator < first.loss_discriminator - 0.1
    real, fake = CASES[name].scores(last)
    assert real > fake + 0.1
