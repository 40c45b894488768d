"""Which phase follows which, and when one ends early."""

from __future__ import annotations

import math

import pytest

from gan.enhance.config import (
    AdversarialPhase,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
)
from gan.enhance.training.phases import advance, begin, total_epochs


def config(generator=None, critic=None, adversarial=None, **more) -> EnhanceTrainConfig:
    return EnhanceTrainConfig(
        generator=GeneratorPhase(**{"epochs": 0} | (generator or {})),
        critic=CriticPhase(**{"epochs": 0} | (critic or {})),
        adversarial=AdversarialPhase(**{"epochs": 0} | (adversarial or {})),
        **more,
    )


def walk(train: EnhanceTrainConfig, losses) -> list[str]:
    """The phase of every epoch."""
    progress, seen = begin(train), []
    for loss in losses:
        if progress.phase == "done":
            break
        seen.append(progress.phase[0])
        progress = advance(train, progress, loss)
        assert progress.completed == len(seen)
    return seen


def test_phases_follow_one_another_and_empty_ones_are_left_out():
    both = config({"epochs": 2}, {"epochs": 1}, {"epochs": 3})
    assert "".join(walk(both, [1.0] * 9)) == "ggcaaa"
    assert "".join(walk(config({"epochs": 2}), [1.0] * 9)) == "gg"
    assert "".join(walk(config(None, None, {"epochs": 1}), [1.0] * 9)) == "a"


def test_a_phase_ends_when_its_loss_has_not_improved():
    train = config({"epochs": 50, "patience": 2, "min_gain": 0.1}, {"epochs": 2})
    losses = [1.0, 0.95, 0.89, 0.85, 0.81, 0.5, 0.5]  # the third is 0.1 below the first; then two that gain too little
    assert "".join(walk(train, losses)) == "gggggcc"


def test_losses_below_zero_improve_downwards():
    train = config(None, {"epochs": 9, "patience": 1, "min_gain": 0.1})
    assert len(walk(train, [-1.0, -1.2, -1.25, -9.0])) == 3


def test_the_critic_has_had_enough_below_its_threshold():
    train = config(None, {"epochs": 9, "stop_below": 0.5}, {"epochs": 1})
    assert "".join(walk(train, [1.3, 0.7, 0.4, 1.0])) == "ccca"


@pytest.mark.parametrize("loss", [None, math.nan])
def test_an_epoch_without_a_loss_counts_and_says_nothing(loss):
    train = config(None, None, {"epochs": 4, "patience": 2})
    assert len(walk(train, [1.0, loss, loss, loss, loss])) == 4


def test_the_total_shrinks_when_a_phase_ends_early():
    train = config({"epochs": 10, "patience": 1}, {"epochs": 3})
    progress = begin(train)
    assert total_epochs(train, progress) == 13
    for _ in range(2):
        progress = advance(train, progress, 1.0)
    assert progress.phase == "critic"
    assert total_epochs(train, progress) == 5
    for _ in range(3):
        progress = advance(train, progress, 1.0)
    assert progress.phase == "done"
    assert total_epochs(train, progress) == 5
