"""The three phases on small real-looking pairs: what each trains, that it learns, and when it ends."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.enhance.config import (
    CriticConfig,
    GeneratorPhase,
    UNetConfig,
)
from gan.enhance.training.trainer import EnhanceTrainer
from gan.training.checkpoint import checksum
from tests.gan.enhance.small_trainings import train_config, trainer, weights


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


def test_a_plateau_ends_the_first_phase(pairs):
    train = dataclasses.replace(
        train_config(1, 1, 0), generator=GeneratorPhase(epochs=50, lr=1e-8, patience=1, min_gain=0.2)
    )
    made = trainer(pairs, train)
    made.train_epoch()
    assert made.total_epochs == 51
    made.train_epoch()
    assert (made.phase, made.total_epochs) == ("critic", 3)


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
