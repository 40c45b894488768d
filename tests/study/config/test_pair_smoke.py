"""Studies of enhancers made small: the phases keep their proportions."""

import copy

import pytest
import yaml

from study.config import load_study
from study.config.pair_smoke import DEPTH, EPOCHS, PHASES, SIZE, WIDTH, shrink
from tests.study.config.spaces import PAIRS, ROOT, load


def epochs(small):
    return [small["train"][phase]["epochs"] for phase in PHASES]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [((100, 50, 50), [2, 1, 1]), ((100, 0, 100), [2, 0, 2]), ((1000, 1, 3), [3, 1, 1]), ((2, 1, 1), [2, 1, 1])],
)
def test_phases_keep_their_proportions_and_at_least_one_epoch_each(lengths, expected):
    train = {phase: {"epochs": n} for phase, n in zip(PHASES, lengths, strict=True)}
    assert epochs(shrink({"study": "a", "model": {"family": "unet"}, "train": train})) == expected


def test_phases_at_their_defaults_shrink_too():
    small = shrink({"study": "a", "model": {"family": "unet"}})
    assert sum(epochs(small)) <= EPOCHS and min(epochs(small)) >= 1


def test_images_networks_and_pairs_are_small(tmp_path):
    small = load(tmp_path, "data.train_label=disc", "model.max_width=512", text=PAIRS, smoke=True)
    assert (small.model.image_size, small.model.depth, small.model.width) == (SIZE, DEPTH, WIDTH)
    assert small.model.critic.width <= WIDTH and small.model.max_width == 4 * WIDTH
    assert small.data.set == "synthetic" and small.data.train_label is None
    assert small.name == "pairs-smoke" and small.trials <= 4


def test_an_axis_of_epochs_shrinks_with_its_phase(tmp_path):
    small = load(tmp_path, text=PAIRS, smoke=True)
    assert small.train.adversarial.epochs == 2
    (axis,) = small.axes
    assert (axis.low, axis.high) == (1, 2)


def test_perceptual_losses_are_left_out():
    raw = yaml.safe_load(PAIRS)
    raw["train"]["loss"] = {"perceptual_weight": 0.5, "features": "torchvision:vgg16", "pixel": "mse"}
    raw["axes"]["train.loss.perceptual_weight"] = {"float": [0.1, 1.0]}
    before = copy.deepcopy(raw)
    small = shrink(raw)
    assert small["train"]["loss"] == {"perceptual_weight": 0.0, "features": None, "pixel": "mse"}
    assert list(small["axes"]) == ["train.adversarial.epochs"]
    assert raw == before


def test_the_shipped_study_keeps_its_axes():
    study, small = (load_study(ROOT / "search_spaces" / "enhance.yaml", smoke=smoke) for smoke in (False, True))
    assert {a.name for a in small.axes} == {a.name for a in study.axes}
    assert set(small.presets) == set(study.presets)


def test_the_search_space_of_the_blog_shrinks_to_a_smoke_run():
    study = load_study(ROOT / "search_spaces" / "enhance.yaml", smoke=True)
    assert study.train.epochs <= 8 and study.model.image_size == 48 and study.data.set == "synthetic"
    alone = study.configure(study.presets["unet_alone"])[1]
    assert alone.adversarial.epochs == 0 and alone.epochs == study.train.epochs
    assert "study.enhance" not in study.as_yaml()
