"""The pairs of a study, and how they are divided."""

from __future__ import annotations

import numpy as np
import pytest

from gan.datasets.pair_set import PairSet
from gan.degrade import synthetic_pairs
from study.config import load_study
from study.config.errors import ConfigError, InputError
from study.tasks.enhancement.images import PairImages, held_out_count
from study.tasks.registry import task_of
from tests.study.small_pairs import space


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_pairs_are_divided_once_and_for_all(study, tmp_path):
    pairs = task_of(study).images.open(tmp_path)
    rows = [set(part.tolist()) for part in (pairs.train, pairs.reference, pairs.final)]
    assert [len(part) for part in rows] == [48, 8, 8]
    assert len(set.union(*rows)) == 64
    again = task_of(study).images.open(tmp_path)
    assert all((a == b).all() for a, b in zip(pairs.parts.values(), again.parts.values(), strict=True))


def test_one_class_trains_and_another_judges(tmp_path):
    overrides = [
        "data.train_label=disc",
        "data.judge_label=elliptical",
        "data.held_out=120",
        "data.synthetic_count=200",
    ]
    shifted = load_study(space(tmp_path), overrides)
    pairs = task_of(shifted).images.open(tmp_path)
    labels = PairSet.open(pairs.path).labels
    assert set(labels[pairs.train]) == {"disc"}
    assert set(labels[pairs.reference]) == set(labels[pairs.final]) == {"elliptical"}
    assert "trained on disc, judged on elliptical" in pairs.describe()


def test_what_the_set_cannot_give_is_said(tmp_path):
    folder = tmp_path / "pairs"
    synthetic_pairs(folder, 40, size=16, scale=1, seed=0)
    named = [f"data.set={folder}", "data.held_out=16"]

    def refusal(*overrides: str) -> str:
        asked = load_study(space(tmp_path), [*named, *overrides])
        with pytest.raises(InputError) as caught:
            task_of(asked).images.open(tmp_path)
        return str(caught.value)

    assert "spiral" in refusal("data.train_label=spiral")
    assert "model.scale = 2 (the set: 1)" in refusal("model.scale=2")
    assert "data.image_size = 32 (the set: 16)" in refusal("data.image_size=32")
    assert "too few pairs" in refusal("train.batch_size=30")
    assert "python -m gan.degrade" in refusal(f"data.set={tmp_path / 'nowhere'}")


@pytest.mark.parametrize(
    ("settings", "count", "share", "held"),
    [
        (["data.held_out=20"], 100, 1.0, 20),
        (["data.held_out=null"], 1000, 1.0, 8 + 8),
        (["data.held_out=null", "objective.final_samples=30"], 1000, 1.0, 38),
        (["data.held_out=null"], 40, 1.0, 10),
        (["data.held_out=null"], 1000, 0.25, 64),
    ],
)
def test_held_out_are_as_many_as_judge_but_a_quarter_at_most(tmp_path, settings, count, share, held):
    assert held_out_count(load_study(space(tmp_path), settings), count, share) == held


def test_the_plan_knows_the_set_before_it_is_opened(study, tmp_path):
    line, count = PairImages(study).expected([])
    assert line == "synthetic pairs, drawn when the study starts: about 48 to train on, 16 held out to judge"
    assert count == len(PairImages(study).open(tmp_path).train) == 48
    folder = tmp_path / "pairs"
    synthetic_pairs(folder, 40, size=16, scale=1, seed=0)
    named = PairImages(load_study(space(tmp_path), [f"data.set={folder}"]))
    assert named.missing() is None
    line, count = named.expected([])
    assert count == 24 and "24 pairs to train on; held out: 8 judged during the search, 8 at its end" in line
    absent = PairImages(load_study(space(tmp_path), ["data.set=nowhere"]))
    line, count = absent.expected([absent.missing()])
    assert line == "nowhere: cannot be used; 1,000 pairs to train on are assumed" and count == 1000


def test_too_few_to_judge_are_refused(tmp_path):
    asked = load_study(space(tmp_path), ["data.held_out=8"])
    with pytest.raises(ConfigError, match=r"8 pairs would judge; a study needs 16 or more: raise data\.held_out"):
        PairImages(asked).open(tmp_path)


def test_features_that_cannot_be_read_are_named(study, tmp_path):
    PairImages(study).check_networks()
    settings = [f"train.loss={{perceptual_weight: 0.1, features: {tmp_path / 'none.pt'}}}"]
    with pytest.raises(ConfigError) as caught:
        PairImages(load_study(space(tmp_path), settings)).check_networks()
    assert caught.value.key == "train.loss.features"


def test_every_pair_has_its_own_truth(study, tmp_path):
    images = PairImages(study)
    split = images.open(tmp_path)
    assert images.measure_reference(split, tmp_path, lambda done, total: None) is None
    assert not np.intersect1d(split.train, np.concatenate([split.reference, split.final])).size
