"""How an enhancer is trained, written down and read again."""

from __future__ import annotations

import pytest

from common.errors import FieldError
from gan.config import as_dict
from gan.enhance.config import (
    AdversarialPhase,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    LossConfig,
    SwitcherConfig,
    train_from_dict,
)


def config(generator=None, critic=None, adversarial=None, **more) -> EnhanceTrainConfig:
    return EnhanceTrainConfig(
        generator=GeneratorPhase(**{"epochs": 0} | (generator or {})),
        critic=CriticPhase(**{"epochs": 0} | (critic or {})),
        adversarial=AdversarialPhase(**{"epochs": 0} | (adversarial or {})),
        **more,
    )


def test_configs_survive_being_written_down():
    train = config(
        {"epochs": 3, "patience": 2},
        {"epochs": 1, "stop_below": 0.2},
        {"epochs": 2, "switcher": SwitcherConfig(kind="fixed", critic_steps=3)},
        loss=LossConfig(pixel="mse", perceptual_weight=0.5, features="f.pt"),
        betas=(0.0, 0.9),
    )
    assert train_from_dict(as_dict(train)) == train


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: config(), "generator.epochs"),
        (lambda: config({"epochs": -1}), "epochs"),
        (lambda: config({"epochs": 1, "patience": 0}), "patience"),
        (lambda: config({"epochs": 1, "min_gain": 1.0}), "min_gain"),
        (lambda: config(None, None, {"epochs": 1, "critic_lr_ratio": 0.0}), "critic_lr_ratio"),
        (lambda: config({"epochs": 1}, betas=(0.5,)), "betas"),
        (lambda: config({"epochs": 1}, precision="half"), "precision"),
        (lambda: LossConfig(pixel="huber"), "pixel"),
        (lambda: LossConfig(pixel_weight=0.0), "pixel_weight"),
        (lambda: LossConfig(perceptual_weight=1.0), "features"),
    ],
)
def test_trainings_that_cannot_work_are_refused_by_name(make, field):
    with pytest.raises(FieldError) as caught:
        make()
    assert caught.value.field == field
