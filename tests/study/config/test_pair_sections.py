"""The sections of a search-space file for enhancers: their bounds, and networks to and from plain values."""

import json

import pytest

from common.errors import FieldError
from eval.metrics import PAIRS
from gan.config import as_dict
from gan.enhance.config import CriticConfig, UNetConfig
from study.config import ConfigError, load_study
from study.config.pair_sections import EnhanceObjectiveConfig, EnhancerConfig, PairDataConfig, model_from_dict
from tests.study.small_pairs import space

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


def test_the_file_decides_by_its_family_what_its_sections_mean(tmp_path):
    study = load_study(space(tmp_path))
    assert study.train.epochs == 4 and study.model.critic.width == 4
    assert study.value("train.adversarial.switcher.kind") == "fixed"
    again = tmp_path / "again.yaml"
    again.write_text(study.as_yaml())
    assert load_study(again).digest() == study.digest()
    model, train = study.configure({"model.critic.loss": "hinge", "train.generator.epochs": 7})
    assert model.critic.loss == "hinge" and train.epochs == 10
    assert model_from_dict(json.loads(json.dumps(as_dict(model)))) == model


@pytest.mark.parametrize(
    ("override", "key", "says"),
    [
        ("objective.metric=ks_mean", "objective.metric", "psnr"),
        ("objective.stage1=x.pt", "objective.stage1", "unknown key"),
        ("model.latent_dim=100", "model.latent_dim", "unknown key"),
        ("model.critic.loss=nothing", "model.critic.loss", "hinge"),
        ("data.image_size=18", "model.image_size", "multiple of 4"),
        ("train.epochs=5", "train.epochs", "unknown key"),
        ("train.adversarial.switcher.kind=often", "train.adversarial.switcher.kind", "adaptive"),
        ("axes.model.scale={choice: [1, 2]}", "model.scale", "did you mean"),
        ("axes.train.loss.adversarial={choice: [1, 2]}", "train.loss.adversarial", "did you mean"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(tmp_path, override, key, says):
    with pytest.raises(ConfigError) as caught:
        load_study(space(tmp_path), [override])
    assert key in caught.value.key and says in str(caught.value)


def test_classes_are_a_matter_of_pairs(tmp_path):
    text = "study: galaxies\nsearch: {trials: 1}\ndata: {train_label: disc}\n"
    with pytest.raises(ConfigError, match="train_label"):
        load_study(space(tmp_path, text))
