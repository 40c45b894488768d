"""Reading a search-space file: what is accepted, and what the message says when it is not."""

import pytest

from gan.config import as_dict
from study.config import ConfigError, load_study
from study.config.search_space import same
from tests.study.config.spaces import GOOD, PAIRS, ROOT, SHIPPED, flat, load, write


def test_reads_values_with_their_types(tmp_path):
    study = load_study(write(tmp_path))
    assert (study.train.lr, study.train.epochs, study.model.width) == (2e-4, 40, 16)
    assert study.train.dropout.placement == "discriminator_last"
    assert study.axes[0].name == "train.dropout.onset_epoch"


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


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
@pytest.mark.parametrize("smoke", [False, True])
def test_every_shipped_space_loads_and_every_planned_trial_can_be_made(path, smoke):
    study = load_study(path, smoke=smoke)
    planned = study.planned()
    assert planned[0].role == "baseline"
    for trial in planned:
        model, train = study.configure(trial.point, trial.seed)
        assert train.seed == trial.seed
        values = flat({"model": as_dict(model), "train": as_dict(train)})
        assert all(same(values[key], value) for key, value in trial.point.items())
    if smoke:
        assert study.train.epochs <= 4 and study.trials <= 4 and study.data.set == "synthetic"
        assert study.name.endswith("-smoke")


def test_presets_must_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"train\.dropout\.onset_epoch"):
        load_study(write(tmp_path, GOOD + "presets: {early: {train.dropout.onset: 3}}\n"))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(tmp_path)
    path = tmp_path / "space.yaml"
    path.write_bytes(b"study: caf\xe9\n")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_study(path)
    assert caught.value.file == str(path)


def test_absent_in_a_folder_without_spaces_asks_for_the_path(tmp_path):
    (tmp_path / ".hidden.yaml").write_text(GOOD)
    for path in (tmp_path / "space.yaml", tmp_path / "nowhere" / "space.yaml"):
        with pytest.raises(ConfigError, match="does not exist; give the path of a search-space file"):
            load_study(path)


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "9lives", "x" * 100])
def test_names_that_are_folders_everywhere(tmp_path, name):
    assert load(tmp_path, text=f"study: '{name}'\n").name == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "_a", "a b", "a/b", "x" * 101, "a:b"])
def test_names_that_make_no_folder_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="at most 100 long") as caught:
        load(tmp_path, text=f"description: d\nstudy: '{name}'\n")
    assert (caught.value.key, caught.value.line, caught.value.value) == ("study", 2, name)


@pytest.mark.parametrize(
    ("line", "key", "says"),
    [
        ("description: [a]", "description", "expected text"),
        ("model: dcgan", "model", "expected a mapping"),
        ("presets: [a]", "presets", "expected {NAME: {path: value}}"),
        ("presets: {a: 1}", "presets", "expected {NAME: {path: value}}"),
        ("presets: {a: {data.seed: 1}}", "data.seed", "no such setting"),
        ("model: {image_size: 64}", "model.image_size", "data.image_size"),
        ("axes: {train: {choice: [1]}}", "train", "no such setting"),
        ("axes: {model.channels: {choice: [1, 3]}}", "model.channels", "no such setting"),
    ],
)
def test_sections_of_another_shape_are_refused_with_their_line(tmp_path, line, key, says):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text=f"study: a\n\n{line}\n")
    assert (caught.value.key, caught.value.line) == (key, 3)
    assert says in str(caught.value)


def test_empty_sections_are_their_defaults(tmp_path):
    written = "".join(f"{name}:\n" for name in ("data", "model", "train", "objective", "search", "resources", "axes"))
    assert load(tmp_path, text=f"study: a\n{written}presets:\n").digest() == load(tmp_path, text="study: a\n").digest()


def test_the_family_decides_what_the_sections_hold(tmp_path):
    pairs = load(tmp_path, text=PAIRS)
    assert pairs.model.critic.width == 32 and pairs.objective.metric == "psnr"
    with pytest.raises(ConfigError, match=r"train\.generator.*unknown key"):
        load(
            tmp_path,
            text=PAIRS.replace("family: unet, ", "").replace(", critic: {width: 32}", "").replace("depth: 4, ", ""),
        )
    with pytest.raises(ConfigError, match=r"train\.epochs.*unknown key"):
        load(tmp_path, "train={epochs: 3}", text=PAIRS)


def test_smoke_reports_the_faults_of_the_file_itself(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text=GOOD.replace("width: 16", "width: 0"), smoke=True)
    assert (caught.value.key, caught.value.line, caught.value.value) == ("model.width", 3, 0)
