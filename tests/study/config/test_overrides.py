"""Changes to a search-space file on the command line."""

import pytest

from study.config import ConfigError
from study.config.overrides import assign, override, remove
from study.config.schema import parse
from tests.study.config.spaces import GOOD, load


def overridden(*settings, text=GOOD):
    raw, lines = parse(text, "space.yaml")
    for setting in settings:
        override(raw, lines, setting)
    return raw, lines


def test_overrides_are_typed_like_the_file(tmp_path):
    study = load(tmp_path, "train.lr=1e-3", "train.dropout.p=0.25", "axes.model.discriminator_width=null")
    assert study.train.lr == 1e-3 and study.train.dropout.p == 0.25
    assert "model.discriminator_width" not in [axis.name for axis in study.axes]


def test_an_override_can_add_an_axis(tmp_path):
    study = load(tmp_path, "axes.train.label_smoothing={float: [0.0, 0.3]}")
    assert any(axis.name == "train.label_smoothing" for axis in study.axes)


@pytest.mark.parametrize("setting", ["train.epochs", "=3", "train.epochs=[", "train.epohcs=3", "nonsense.key=1"])
def test_wrong_overrides_are_refused(tmp_path, setting):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, setting)
    assert caught.value.file == "--set"


def test_the_last_override_of_a_key_counts(tmp_path):
    assert load(tmp_path, "train.epochs=50", "train.epochs=60").train.epochs == 60


def test_an_override_makes_the_mappings_on_its_way(tmp_path):
    assert load(tmp_path, "train.dropout.p=0.1", text="study: a\n").train.dropout.p == 0.1


def test_an_override_replaces_a_whole_section(tmp_path):
    study = load(tmp_path, "train={epochs: 7}", "axes=null", "search=null")
    assert study.train.epochs == 7 and study.train.dropout.placement == "none" and study.axes == ()


def test_axes_and_presets_are_named_by_all_that_follows_the_first_dot():
    raw, _ = overridden("axes.model.width={int: [1, 9]}", "presets.my.point={train.lr: 1.0}", "presets.gone=null")
    assert raw["axes"]["model.width"] == {"int": [1, 9]}
    assert raw["presets"] == {"my.point": {"train.lr": 1.0}}


def test_a_value_may_hold_equals_signs_and_be_empty():
    raw, _ = overridden("description=a=b", "search.trials=")
    assert raw["description"] == "a=b" and raw["search"]["trials"] is None


def test_faults_of_an_override_are_named_as_on_the_command_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^--set: train\.dropout\.p = 2\.0: expected a probability") as caught:
        load(tmp_path, "train.dropout.p=2")
    assert caught.value.line is None
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "train.epochs=50", text=GOOD.replace("lr: 2e-4", "lr: -1"))
    assert caught.value.line == 6, "the file's other keys keep their lines"


def test_assign_and_remove_undo_each_other():
    tree = {"a": {"b": 1}, "c": 2}
    assign(tree, "a.x.y", 3)
    assert tree == {"a": {"b": 1, "x": {"y": 3}}, "c": 2}
    remove(tree, "a.x")
    assert tree == {"a": {"b": 1}, "c": 2}
    for absent in ("a.x.y", "c.d", "nothing"):
        remove(tree, absent)
    assert tree == {"a": {"b": 1}, "c": 2}
    assign(tree, "c.d", 4)
    assert tree["c"] == {"d": 4}
