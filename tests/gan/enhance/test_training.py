"""The three phases on small real-looking pairs: what each trains, that it learns, and that it goes on bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig
from gan.datasets.synthetic import draw
from gan.enhance.config import (
    AdversarialPhase,
    CriticConfig,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    LossConfig,
    SwitcherConfig,
    UNetConfig,
)
from gan.enhance.training import checkpoint as enhance_checkpoint
from gan.enhance.training.trainer import EnhanceTrainer
from gan.training import checkpoint
from gan.training.batches import Batches
from gan.training.checkpoint import CheckpointError, checksum
from gan.training.trainer import Trainer

MODEL = UNetConfig(image_size=16, depth=2, width=4, scale=2)
CRITIC = CriticConfig(width=4)


def train_config(generator=1, critic=1, adversarial=1, **more) -> EnhanceTrainConfig:
    loss = {"loss": LossConfig(**more.pop("loss", {}))}
    rates = more.pop("rates", (2e-3, 2e-3, 1e-3))
    return EnhanceTrainConfig(
        batch_size=more.pop("batch_size", 4),
        precision="float32",
        generator=GeneratorPhase(epochs=generator, lr=rates[0]),
        critic=CriticPhase(epochs=critic, lr=rates[1]),
        adversarial=AdversarialPhase(
            epochs=adversarial, lr=rates[2], switcher=more.pop("switcher", SwitcherConfig(max_steps=2))
        ),
        **loss,
        **more,
    )


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """24 synthetic galaxies of 32 px, and what is left of them at 16 px under noise."""
    deep, _ = draw(24, size=32, seed=3, noise=False, jobs=1)
    small = deep.reshape(24, 16, 2, 16, 2, 3).mean((2, 4))
    noise = np.random.default_rng(0).normal(0, 12, small.shape)
    return np.clip(0.6 * small + 10 + noise, 0, 255).astype(np.uint8), deep


def trainer(pairs, train: EnhanceTrainConfig, *, model=MODEL, critic=CRITIC, **more) -> EnhanceTrainer:
    return EnhanceTrainer(model, critic, train, *pairs, device="cpu", threads=1, **more)


def weights(network: torch.nn.Module) -> str:
    return checksum(dict(network.named_parameters()))


def test_each_phase_trains_what_it_should(pairs):
    made = trainer(pairs, train_config())
    seen = []
    while made.phase != "done":
        before = weights(made.generator), weights(made.critic)
        result = made.train_epoch()
        after = weights(made.generator), weights(made.critic)
        assert result.diverged is None
        changed = [a != b for a, b in zip(before, after, strict=True)]
        losses = [result.loss_generator is not None, result.loss_discriminator is not None]
        assert changed == losses
        seen.append((result.phase, changed, result.epoch, made.total_epochs))
        assert result.steps == 6 == result.extra["steps/generator"] + result.extra["steps/critic"]
    assert seen == [
        ("generator", [True, False], 1, 3),
        ("critic", [False, True], 2, 3),
        ("adversarial", [True, True], 3, 3),
    ]
    with pytest.raises(RuntimeError, match="over"):
        made.train_epoch()


@pytest.mark.parametrize("pixel", ["l1", "mse"])
def test_the_generator_alone_learns_to_enhance(pairs, pixel):
    made = trainer(pairs, train_config(12, 0, 0, loss={"pixel": pixel}))
    results = [made.train_epoch() for _ in range(12)]
    as_it_is = pairs[0].repeat(2, axis=1).repeat(2, axis=2) / 255 - pairs[1] / 255
    assert results[-1].extra["psnr/train"] > -10 * np.log10(np.square(as_it_is).mean()) + 3
    assert results[-1].loss_generator < 0.7 * results[0].loss_generator


@pytest.mark.parametrize("loss", ["bce", "hinge", "wasserstein"])
def test_the_critic_alone_learns_to_tell_saved_outputs_from_targets(pairs, loss):
    made = trainer(
        pairs, train_config(1, 12, 0, rates=(2e-3, 4e-3, 1e-3)), critic=CriticConfig(loss=loss, width=8, max_width=16)
    )
    made.train_epoch()
    results = [made.train_epoch() for _ in range(12)]
    first, last = results[0], results[-1]
    assert last.loss_discriminator < first.loss_discriminator
    assert last.extra["score/real"] > last.extra["score/fake"]
    assert last.extra["score/real"] - last.extra["score/fake"] > first.extra["score/real"] - first.extra["score/fake"]


def test_saved_outputs_are_what_the_generator_makes(pairs):
    made = trainer(pairs, train_config(1, 2, 0, symmetries=False))
    made.train_epoch()
    made.train_epoch()
    saved = made._saved
    assert isinstance(saved, Batches)
    batch = next(saved.epoch())
    assert set(batch) == {"target", "output"}
    with torch.inference_mode():
        wanted = made.generator_for_sampling()(torch.from_numpy(pairs[0]).permute(0, 3, 1, 2).float() / 255)
    wanted = wanted.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    for output, target in zip(batch["output"], batch["target"], strict=True):
        row = next(i for i, one in enumerate(pairs[1]) if np.array_equal(one, target.numpy()))
        assert (output.int() - wanted[row].int()).abs().max() <= 1  # blocks of another size round elsewhere
    made.train_epoch()
    assert made._saved is None  # and do not outlive their phase


def test_both_sides_of_a_pair_are_turned_and_mirrored_alike():
    """Targets are the inputs themselves, so every batch must show equal images, in all eight orientations."""
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    images = np.repeat(image, 8, axis=0)
    made = EnhanceTrainer(
        UNetConfig(image_size=16, depth=1, width=1),
        CriticConfig(width=1),
        train_config(batch_size=8),
        images,
        images.copy(),
        device="cpu",
    )
    seen = set()
    for _ in range(12):
        for batch in made.batches.epoch():
            assert torch.equal(batch["input"], batch["target"])
            seen |= {checksum(one) for one in batch["input"]}
    turned = [torch.from_numpy(image[0]).rot90(k, (0, 1)) for k in range(4)]
    assert seen == {checksum(one.contiguous()) for one in [*turned, *(one.flip(0) for one in turned)]}


EVERYTHING = {
    "plain": (MODEL, CRITIC, {}),
    "average and stability": (
        dataclasses.replace(MODEL, norm="instance", dropout=0.2),
        dataclasses.replace(CRITIC, dropout=0.3, conditional=True),
        {"ema_decay": 0.9, "loss": {"stability_weight": 0.5}},
    ),
    "wasserstein": (
        dataclasses.replace(MODEL, spectral_norm=True, attention=True),
        CriticConfig(width=4, loss="wasserstein", norm="instance", attention=True),
        {"switcher": SwitcherConfig(kind="fixed")},
    ),
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_resumed_at_any_epoch_it_goes_on_bit_for_bit(pairs, tmp_path, name):
    model, critic, more = EVERYTHING[name]
    made = trainer(pairs, train_config(2, 2, 2, batch_size=12, **more), model=model, critic=critic)
    while made.phase != "done":
        enhance_checkpoint.save(made, tmp_path / "c.pt")
        other = enhance_checkpoint.resume(tmp_path / "c.pt", *pairs, device="cpu", threads=1)
        one, two = made.train_epoch(), other.train_epoch()
        assert (one.loss_generator, one.loss_discriminator, one.extra) == (
            two.loss_generator,
            two.loss_discriminator,
            two.extra,
        )
        assert checksum(made.state_dict()) == checksum(other.state_dict())


def test_a_plateau_ends_the_first_phase(pairs):
    train = dataclasses.replace(
        train_config(1, 1, 0), generator=GeneratorPhase(epochs=50, lr=1e-8, patience=1, min_gain=0.2)
    )
    made = trainer(pairs, train)
    made.train_epoch()
    assert made.total_epochs == 51
    made.train_epoch()
    assert (made.phase, made.total_epochs) == ("critic", 3)


def test_terms_without_weight_are_not_computed(pairs):
    found = trainer(pairs, train_config(1, 0, 0)).train_epoch().extra
    assert not {"loss/perceptual", "loss/stability", "loss/adversarial"} & set(found)


def test_the_stability_term_makes_outputs_steadier(pairs):
    def wobble(weight: float) -> float:
        loss = {"stability_weight": weight, "stability_noise": 0.05}
        made = trainer(pairs, train_config(10, 0, 0, loss=loss), model=dataclasses.replace(MODEL, norm="none"))
        for _ in range(10):
            made.train_epoch()
        generator = made.generator_for_sampling()
        inputs = torch.from_numpy(pairs[0]).permute(0, 3, 1, 2).float() / 255
        noise = 0.05 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            return float((generator((inputs + noise).clamp(0, 1)) - generator(inputs)).abs().mean())

    assert wobble(5.0) < 0.9 * wobble(0.0)


def test_a_training_that_diverges_says_so(pairs):
    made = trainer(pairs, train_config(5, 0, 0, rates=(1e30, 1e-3, 1e-3)))
    result = made.train_epoch()
    assert result.diverged is not None
    assert "not finite" in result.diverged


def test_wrong_pairs_are_refused(pairs):
    with pytest.raises(ValueError, match=r"targets have shape .*\(n, 32, 32, 3\)"):
        trainer((pairs[0], pairs[0]), train_config())
    with pytest.raises(ValueError, match="24 inputs, but 5 targets"):
        trainer((pairs[0], pairs[1][:5]), train_config())
    with pytest.raises(FieldError, match="batch_size"):
        trainer(pairs, train_config(batch_size=25))


def test_a_checkpoint_of_another_training_is_refused(pairs, tmp_path):
    enhance_checkpoint.save(trainer(pairs, train_config()), tmp_path / "c.pt")
    others = [
        trainer(pairs, train_config(), model=dataclasses.replace(MODEL, width=5)),
        trainer(pairs, train_config(), critic=dataclasses.replace(CRITIC, loss="hinge")),
        trainer((pairs[0][:20], pairs[1][:20]), train_config()),
        trainer(pairs, train_config(ema_decay=0.9)),
    ]
    for other, said in zip(others, ("width", "hinge", "24 training pairs", "average"), strict=True):
        with pytest.raises(CheckpointError, match=said):
            enhance_checkpoint.load(other, tmp_path / "c.pt")


def test_enhancers_and_galaxy_gans_are_not_mistaken_for_one_another(pairs, tmp_path):
    enhance_checkpoint.save(trainer(pairs, train_config()), tmp_path / "enhancer.pt")
    model = ModelConfig(image_size=16, width=2, latent_dim=4)
    gan = Trainer(model, TrainConfig(batch_size=4), pairs[0], device="cpu", threads=1)
    checkpoint.save(gan, tmp_path / "gan.pt")
    with pytest.raises(CheckpointError, match="enhancer"):
        checkpoint.load_generator(tmp_path / "enhancer.pt")
    with pytest.raises(CheckpointError, match="dcgan"):
        enhance_checkpoint.load_enhancer(tmp_path / "gan.pt")
    with pytest.raises(CheckpointError, match="galaxy GAN"):
        enhance_checkpoint.load(trainer(pairs, train_config()), tmp_path / "gan.pt")


def test_the_average_is_what_is_sampled_and_saved(pairs, tmp_path):
    made = trainer(pairs, train_config(2, 0, 0, ema_decay=0.9))
    made.train_epoch()
    assert weights(made.generator_for_sampling()) == weights(made.average) != weights(made.generator)
    enhance_checkpoint.save(made, tmp_path / "c.pt")
    loaded, config = enhance_checkpoint.load_enhancer(tmp_path / "c.pt")
    assert config == MODEL
    assert not loaded.training
    assert weights(loaded) == weights(made.average)
