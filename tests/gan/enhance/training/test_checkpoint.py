"""Checkpoints of enhancers: continued bit for bit, refused where they belong to another training."""

from __future__ import annotations

import dataclasses

import pytest

from gan.config import ModelConfig, TrainConfig
from gan.enhance.config import (
    CriticConfig,
    SwitcherConfig,
)
from gan.enhance.training import checkpoint as enhance_checkpoint
from gan.training import checkpoint
from gan.training.checkpoint import CheckpointError, checksum
from gan.training.trainer import Trainer
from tests.gan.enhance.small_trainings import CRITIC, MODEL, train_config, trainer, weights

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
