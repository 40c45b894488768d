"""The sections of a search-space file for enhancers: their bounds, and networks to and from plain values."""

import pytest

from common.errors import FieldError
from eval.metrics import PAIRS
from gan.config import as_dict
from gan.enhance.config import CriticConfig, UNetConfig
from study.config.pair_sections import EnhanceObjectiveConfig, EnhancerConfig, PairDataConfig, model_from_dict

SMALL = EnhancerConfig(image_size=48, depth=2, width=4, critic=CriticConfig(width=3, loss="hinge"))


def test_a_network_comes_back_from_plain_values():
    assert model_from_dict(as_dict(SMALL)) == SMALL


def test_the_generator_alone_has_all_its_settings():
    assert SMALL.unet == UNetConfig(image_size=48, depth=2, width=4)


def test_another_family_is_no_enhancer():
    with pytest.raises(FieldError, match="one of unet"):
        EnhancerConfig(image_size=48, depth=2, family="dcgan")


def test_the_generator_checks_itself():
    with pytest.raises(FieldError, match="image_size"):
        EnhancerConfig(image_size=50, depth=2)


@pytest.mark.parametrize(
    ("cls", "good", "bad"),
    [
        (PairDataConfig, {"set": "x"}, {"set": ""}),
        (PairDataConfig, {"held_out": 8}, {"held_out": 7}),
        (PairDataConfig, {"synthetic_count": 32}, {"synthetic_count": 31}),
        (PairDataConfig, {"seed": 0}, {"seed": -1}),
        (PairDataConfig, {"train_label": "disc"}, {"train_label": ""}),
        (PairDataConfig, {"judge_label": None}, {"judge_label": ""}),
        (EnhanceObjectiveConfig, {"metric": "gain"}, {"metric": "ks_mean"}),
        (EnhanceObjectiveConfig, {"metric": ("psnr", "gain")}, {"metric": ("psnr", "psnr")}),
        (EnhanceObjectiveConfig, {"samples": 8}, {"samples": 7}),
        (EnhanceObjectiveConfig, {"every_epochs": 1}, {"every_epochs": 0}),
        (EnhanceObjectiveConfig, {"final_samples": 8}, {"final_samples": 7}),
        (EnhanceObjectiveConfig, {"finalists": 0}, {"finalists": 1001}),
    ],
)
def test_bounds(cls, good, bad):
    cls(**good)
    with pytest.raises(FieldError) as caught:
        cls(**bad)
    assert caught.value.field in bad


def test_every_objective_of_the_registry_may_be_searched():
    assert "psnr" in PAIRS.objectives
    for name in PAIRS.objectives:
        assert EnhanceObjectiveConfig(metric=name).metrics == (name,)
