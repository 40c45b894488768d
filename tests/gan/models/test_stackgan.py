"""Stage-II: the paper's numbers, both long skips, the dual objective, pairs, the authors' weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig
from gan.models import build, check, parameter_count
from gan.models.stackgan import EnlargingConv2d
from gan.sample import enlarge
from gan.training import checkpoint
from gan.training.checkpoint import CheckpointError
from gan.training.trainer import Trainer

PAPER = ModelConfig(family="stackgan", image_size=128)


SMALL = ModelConfig(family="stackgan", image_size=32, width=4)


def seeded(config: ModelConfig):
    return build(config, rng=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def pairs() -> dict[int, np.ndarray]:
    """Blurred discs at 32 px, and every other pixel of them: 40 pairs."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 15.5
    radius, level, shift = (
        rng.uniform(4, 12, (40, 1, 1)),
        rng.uniform(60, 250, (40, 1, 1)),
        rng.uniform(-4, 4, (40, 1, 1)),
    )
    disc = np.exp(-((x - shift) ** 2 + y**2) / radius**2) * level
    large = np.repeat(disc[..., None], 3, axis=3).astype(np.uint8)
    return {16: large[:, ::2, ::2].copy(), 32: large}


def test_parameters_are_the_papers():
    generator, discriminator = build(PAPER)
    assert parameter_count(generator) == 2_531_072
    assert parameter_count(discriminator) == 12_085_248
    channels = [m.out_channels for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert channels == [128, 256, 256, 512, 1024, 1]
    assert sum(isinstance(m, torch.nn.Conv2d) for m in generator.modules()) == 16


@pytest.mark.parametrize(("before", "after"), [(5, 3), (3, 5)])
def test_enlarging_convolution_is_nearest_neighbour_and_a_convolution(before, after):
    layer = EnlargingConv2d(before, after).double()
    x = torch.randn(2, before, 6, 6, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, padding=1)
    torch.testing.assert_close(layer(x), plain)
    gradient = torch.randn_like(plain)
    own = torch.autograd.grad(layer(x), (x, layer.weight), gradient)
    for a, b in zip(own, torch.autograd.grad(plain, (x, layer.weight), gradient), strict=True):
        torch.testing.assert_close(a, b)


def test_the_two_long_skips_differ_by_where_the_relu_is():
    released, _ = seeded(SMALL)
    equation, _ = seeded(ModelConfig(family="stackgan", image_size=32, width=4, long_skip="equation_19"))
    x = torch.rand(3, 3, 16, 16)
    small = released.preprocessing(x)
    end = released.ending_residual(released.residual(small))
    torch.testing.assert_close(released(x), released.main(F.relu(end) + small))
    torch.testing.assert_close(equation(x), equation.main(F.relu(end + small)))
    assert not torch.allclose(released(x), equation(x))


def test_sides_that_cannot_be_are_refused():
    with pytest.raises(FieldError, match="image_size = 16"):
        check(ModelConfig(family="stackgan", image_size=16))
    with pytest.raises(FieldError, match="long_skip = 'none'"):
        ModelConfig(long_skip="none")


def trainer(pairs, **train) -> Trainer:
    settings = {"batch_size": 8, "precision": "float32"} | train
    return Trainer(SMALL, TrainConfig(**settings), pairs, device="cpu", threads=1)


def test_training_follows_the_target(pairs):
    own = trainer(pairs, lr=2e-3, lr_half_life=6)
    losses = [own.train_epoch() for _ in range(12)]
    assert losses[-1].loss_dual < 0.3 * losses[0].loss_dual
    assert losses[-1].learning_rate == pytest.approx(1e-3)
    assert losses[-1].diverged is None
    enlarged = enlarge(own.generator_for_sampling(), pairs[16])
    error = np.abs(enlarged.astype(float) - pairs[32]).mean()
    assert error < 0.7 * np.abs(pairs[32].astype(float) - pairs[32].mean()).mean()


def test_the_generator_loss_is_the_weighted_sum(pairs):
    alone = trainer(pairs, lambda_adversarial=0.0, lambda_dual=3.0).train_epoch()
    assert alone.loss_generator == pytest.approx(3 * alone.loss_dual, rel=1e-5)
    both = trainer(pairs, lambda_adversarial=0.5, lambda_dual=1.0).train_epoch()
    assert both.loss_generator > both.loss_dual + 0.1


def test_both_sides_of_the_pairs_are_needed(pairs):
    with pytest.raises(ValueError, match="sides 32 px: family 'stackgan' needs 16, 32 px"):
        trainer(pairs[32])


def test_enlarged_images_do_not_depend_on_their_neighbours(pairs):
    generator, _ = seeded(SMALL)
    everything = enlarge(generator, pairs[16])
    assert everything.shape == (40, 32, 32, 3) and everything.dtype == np.uint8
    assert np.array_equal(enlarge(generator, pairs[16][17:19]), everything[17:19])
    assert enlarge(generator, pairs[16][:0]).shape == (0, 32, 32, 3)
    with pytest.raises(ValueError, match=r"enlarges \(n, 16, 16, C\) uint8"):
        enlarge(generator, pairs[32])


LAYOUT = (
    {"preprocessing.0.weight", "ending_residual.0.weight", "main.1.weight", "main.5.weight"}
    | {f"residual.{block}.main.{layer}.weight" for block in range(6) for layer in (0, 3)}
    | {
        f"{place}.{name}"
        for place in ["ending_residual.1", "main.2"]
        + [f"residual.{b}.main.{layer}" for b in range(6) for layer in (1, 4)]
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    }
)


@pytest.mark.parametrize("counters", [True, False])
def test_the_authors_weights_load(tmp_path, counters):
    network, _ = seeded(ModelConfig(family="stackgan", image_size=128, width=2))
    weights = network.state_dict()
    assert set(weights) == LAYOUT
    torch.save({k: v for k, v in weights.items() if counters or "num_batches" not in k}, tmp_path / "stackgan_G.pth")
    generator, config = checkpoint.load_enlarger(tmp_path / "stackgan_G.pth")
    assert config == ModelConfig(family="stackgan", image_size=128, width=2)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    assert np.array_equal(enlarge(generator, images), enlarge(network, images))


def test_the_wrong_kind_of_generator_is_one_sentence(tmp_path, pairs):
    own = trainer(pairs)
    checkpoint.save(own, tmp_path / "two.pt")
    with pytest.raises(CheckpointError, match="stackgan generator, which enlarges images"):
        checkpoint.load_generator(tmp_path / "two.pt")
    assert checkpoint.load_enlarger(tmp_path / "two.pt")[1] == SMALL
    torch.save(build(ModelConfig(width=1))[0].state_dict(), tmp_path / "one.pth")
    with pytest.raises(CheckpointError, match="dcgan generator, which draws galaxies from noise"):
        checkpoint.load_enlarger(tmp_path / "one.pth")
    weights = seeded(PAPER)[0].state_dict()
    torch.save({k: v for k, v in weights.items() if "residual.5" not in k}, tmp_path / "short.pth")
    with pytest.raises(CheckpointError, match=r"residual\.5\.main\.0\.weight is missing"):
        checkpoint.load_enlarger(tmp_path / "short.pth")
