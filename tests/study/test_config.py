"""Search-space files: what is accepted, and what the message says when it is not."""

from pathlib import Path

import pytest
import yaml

from gan.config import as_dict
from study.config import load_study
from study.config.errors import ConfigError
from study.config.search_space import same
from study.config.sections import SAMPLERS

ROOT = Path(__file__).resolve().parents[2]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))

GOOD = """\
study: demo
data: {set: synthetic, image_size: 64}
model: {family: dcgan, width: 16}
train:
  epochs: 40
  lr: 2e-4
  dropout: {placement: discriminator_last, p: 0.5}
search: {sampler: random, trials: 5}
axes:
  train.dropout.onset_epoch: {int: [0, 40], step: 10}
  train.dropout.end_epoch: {int: [20, 40], step: 10, when: {train.dropout.onset_epoch: {below: 20}}}
  model.discriminator_width: {choice: [8, 16]}
"""


def as_flat(config, prefix):
    flat = {}
    for key, value in as_dict(config).items():
        nested = {f"{prefix}.{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {}
        flat |= nested or {f"{prefix}.{key}": value}
    return flat


def write(tmp_path, text=GOOD):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return path


def test_reads_values_with_their_types(tmp_path):
    study = load_study(write(tmp_path))
    assert (study.train.lr, study.train.epochs, study.model.width) == (2e-4, 40, 16)
    assert study.train.dropout.placement == "discriminator_last"
    assert study.axes[0].name == "train.dropout.onset_epoch"


def test_overrides_are_typed_like_the_file(tmp_path):
    study = load_study(
        write(tmp_path), ["train.lr=1e-3", "train.dropout.p=0.25", "axes.model.discriminator_width=null"]
    )
    assert study.train.lr == 1e-3 and study.train.dropout.p == 0.25
    assert "model.discriminator_width" not in [axis.name for axis in study.axes]


def test_an_override_can_add_an_axis(tmp_path):
    study = load_study(write(tmp_path), ["axes.train.label_smoothing={float: [0.0, 0.3]}"])
    assert any(axis.name == "train.label_smoothing" for axis in study.axes)


@pytest.mark.parametrize(
    ("edit", "key", "line", "says"),
    [
        (("width: 16", "widht: 16"), "model.widht", 3, "did you mean 'width'"),
        (("width: 16", "width: wide"), "model.width", 3, "whole number"),
        (("width: 16", "width: 0"), "model.width", 3, "1 to 65,536"),
        (("p: 0.5", "p: 1.5"), "train.dropout.p", 7, "probability in [0, 1)"),
        (("epochs: 40", "epochs: true"), "train.epochs", 5, "whole number"),
        (("image_size: 64", "image_size: 100"), "data.image_size", 2, "power of two"),
        (("sampler: random", "sampler: bayes"), "search.sampler", 8, "tpe"),
        (("[0, 40], step: 10", "[40, 0], step: 10"), "axes.train.dropout.onset_epoch.int", 10, "low < high"),
        (("{int: [0, 40], step: 10}", "{int: [0, 40], stepp: 10}"), "axes.train.dropout.onset_epoch.stepp", 10, "step"),
        (("train.dropout.onset_epoch: {int", "train.dropout.onset: {int"), "train.dropout.onset", 10, "onset_epoch"),
        (("{train.dropout.onset_epoch: {b", "{train.lr: {b"), "axes.train.dropout.end_epoch.when.train.lr", 11, "axis"),
        (("{below: 20}", "{under: 20}"), "axes.train.dropout.end_epoch.when.train.dropout.onset_epoch", 11, "below"),
        (("choice: [8, 16]", "choice: [8, 8]"), "axes.model.discriminator_width.choice", 12, "once"),
        (("choice: [8, 16]", "choice: [8, big]"), "axes.model.discriminator_width", 12, "whole number"),
        (("study: demo", "study: demo\nmodle: {}"), "modle", 2, "model"),
        (("study: demo", "study: ../up"), "study", 1, "letters"),
        (("epochs: 40", "epochs: 40\n  epochs: 50"), "train.epochs", 6, "one of the two"),
    ],
)  # fmt: skip
def test_wrong_values_are_named_with_line_and_remedy(tmp_path, edit, key, line, says):
    path = write(tmp_path, GOOD.replace(*edit))
    with pytest.raises(ConfigError) as caught:
        load_study(path)
    error = caught.value
    assert (error.key, error.line, error.file) == (key, line, str(path))
    assert says in str(error) and str(path) in str(error)


NOT_STUDIES = [
    "",
    "[]",
    "study: [",
    "a: &a {b: *a}",
    "study: x\n\tbad: 1",
    "study: 1",
    "? {a: b}\n: 1",
    "!!python/object:os.system x",
]


@pytest.mark.parametrize("text", NOT_STUDIES)
def test_what_is_not_a_study_is_refused(tmp_path, text):
    with pytest.raises(ConfigError):
        load_study(write(tmp_path, text))


def test_an_absent_file_lists_its_neighbours():
    with pytest.raises(ConfigError, match=r"dcgan128\.yaml"):
        load_study(ROOT / "search_spaces" / "dcgan.yaml")


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.epochs=[", "train.epohcs=3", "nonsense.key=1"])
def test_wrong_overrides_are_refused(tmp_path, override):
    with pytest.raises(ConfigError) as caught:
        load_study(write(tmp_path), [override])
    assert caught.value.file == "--set"


def test_the_resolved_file_means_the_same_study(tmp_path):
    study = load_study(write(tmp_path))
    again = load_study(write(tmp_path, study.as_yaml()))
    assert again.digest() == study.digest()
    assert again.resolved() == study.resolved()


def test_the_digest_sees_what_decides_a_result_and_nothing_else(tmp_path):
    digest = load_study(write(tmp_path)).digest()
    assert load_study(write(tmp_path), ["description=other", "resources.cpus_per_worker=2"]).digest() == digest
    assert load_study(write(tmp_path), ["train.lr=1e-3"]).digest() != digest
    assert load_study(write(tmp_path), ["axes.model.discriminator_width=null"]).digest() != digest


@pytest.mark.parametrize("path", SPACES, ids=lambda p: p.stem)
@pytest.mark.parametrize("smoke", [False, True])
def test_every_shipped_space_loads_and_every_planned_trial_can_be_made(path, smoke):
    study = load_study(path, smoke=smoke)
    planned = study.planned()
    assert planned[0].role == "baseline"
    for trial in planned:
        model, train = study.configure(trial.point, trial.seed)
        assert train.seed == trial.seed
        values = {**as_flat(model, "model"), **as_flat(train, "train")}
        assert all(same(values[key], value) for key, value in trial.point.items())
    if smoke:
        assert study.train.epochs <= 4 and study.trials <= 4 and study.data.set == "synthetic"
        assert study.name.endswith("-smoke")


def test_smoke_keeps_the_shape_of_schedules():
    study, small = (load_study(ROOT / "search_spaces" / "dcgan128.yaml", smoke=smoke) for smoke in (False, True))
    ratio = study.train.dropout.onset_epoch / study.train.epochs
    assert small.train.dropout.onset_epoch / small.train.epochs == ratio
    assert [a.name for a in small.axes] == [a.name for a in study.axes]


def test_ablation_moves_one_factor_at_a_time_and_repeats_the_baseline(tmp_path):
    study = load_study(write(tmp_path), ["search={sampler: ablation, repeats: 3}", "axes.train.dropout.end_epoch=null"])
    planned = study.planned()
    assert [t.seed for t in planned if t.role == "baseline"] == [0, 1, 2]
    for trial in planned:
        moved = [p for p, v in trial.point.items() if v != study.value(p)]
        assert len(moved) == (0 if trial.role == "baseline" else 1)
    # Onset has levels 0..40 by 10 (baseline: none), discriminator width 8 (16 is not the file's null).
    assert len(planned) == 3 * (1 + 5 + 2)
    assert study.scheduler.name == "none"


def test_a_grid_respects_conditions(tmp_path):
    study = load_study(write(tmp_path), ["search={sampler: grid, baseline_first: false}"])
    points = [t.point for t in study.planned()]
    assert len(points) == (2 * 3 + 3) * 2
    assert all(("train.dropout.end_epoch" in p) == (p["train.dropout.onset_epoch"] < 20) for p in points)


def test_several_objectives_turn_early_stopping_off(tmp_path):
    study = load_study(write(tmp_path), ["objective.metric=[ks_mean, energy]"])
    assert study.objective.metrics == ("ks_mean", "energy") and study.scheduler.name == "none"


def test_presets_must_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.dropout\.onset_epoch"):
        load_study(write(tmp_path, GOOD + "presets: {early: {train.dropout.onset: 3}}\n"))


def test_all_samplers_of_the_contract_are_known(tmp_path):
    for sampler in SAMPLERS:
        extra = ["axes.train.dropout.end_epoch=null"]
        assert load_study(write(tmp_path), [f"search.sampler={sampler}", *extra]).search.sampler == sampler


def test_yaml_written_by_the_program_is_plain(tmp_path):
    assert isinstance(yaml.safe_load(load_study(write(tmp_path)).as_yaml()), dict)


def test_baseline_and_presets_are_a_study_without_axes(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("study: presets\npresets: {fast: {train.lr: 1.0e-3}, slow: {train.lr: 1.0e-5}}\n")
    assert load_study(path).trials == load_study(path, ["search.trials=3"]).trials == 3
    assert [trial.role for trial in load_study(path).planned()] == ["baseline", "preset:fast", "preset:slow"]
    with pytest.raises(ConfigError, match=r"nothing varies; add axes, or set search\.trials to 3"):
        load_study(path, ["search.trials=4"])
