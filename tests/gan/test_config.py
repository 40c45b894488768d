"""Settings of networks and trainings: what cannot work is named, the rest survives being written down."""

import json
import math

import pytest

from common.errors import FieldError
from gan.config import DropoutConfig, ModelConfig, TrainConfig, as_dict, model_from_dict, train_from_dict


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (ModelConfig, {"image_size": 48}),
        (ModelConfig, {"image_size": 8}),
        (ModelConfig, {"image_size": 1024}),
        (ModelConfig, {"channels": 0}),
        (ModelConfig, {"latent_dim": 0}),
        (ModelConfig, {"width": 10**6}),
        (ModelConfig, {"discriminator_width": 0}),
        (ModelConfig, {"kernel_size": 5}),
        (ModelConfig, {"long_skip": "none"}),
        (DropoutConfig, {"p": 1.0}),
        (DropoutConfig, {"onset_epoch": -1}),
        (DropoutConfig, {"end_epoch": 3, "onset_epoch": 5}),
        (TrainConfig, {"epochs": 0}),
        (TrainConfig, {"batch_size": 1}),
        (TrainConfig, {"lr": math.nan}),
        (TrainConfig, {"discriminator_lr": 0.0}),
        (TrainConfig, {"betas": (0.5, 1.0)}),
        (TrainConfig, {"lr_half_life": 0}),
        (TrainConfig, {"label_smoothing": 1.0}),
        (TrainConfig, {"ema_decay": 1.0}),
        (TrainConfig, {"lambda_dual": math.inf}),
        (TrainConfig, {"seed": -1}),
    ],
)
def test_what_cannot_work_is_named(make, wrong):
    with pytest.raises(FieldError) as caught:
        make(**wrong)
    assert caught.value.field == next(iter(wrong))


def test_configs_survive_being_written_down():
    model = ModelConfig(family="stackgan", image_size=128, discriminator_width=32)
    train = TrainConfig(betas=(0.4, 0.99), dropout=DropoutConfig(placement="both", p=0.3, end_epoch=9), ema_decay=0.9)
    written = json.loads(json.dumps({"model": as_dict(model), "train": as_dict(train)}))
    assert model_from_dict(written["model"]) == model and train_from_dict(written["train"]) == train


def test_the_discriminator_is_as_wide_as_the_generator_unless_it_is_told():
    assert ModelConfig(width=8).effective_discriminator_width == 8
    assert ModelConfig(width=8, discriminator_width=3).effective_discriminator_width == 3
