"""The galaxies of a study: what is missing, how they are divided, the catalogue of the reference."""

import numpy as np
import pytest

from eval.measure import measure
from gan.data import GalaxySet
from gan.datasets.synthetic import synthetic_set
from study.config import load_study
from study.config.errors import ConfigError, InputError
from study.tasks.generation.images import GalaxyImages
from tests.study.tasks.generation.sets import SMALL
from tests.study.trained import trained

SPACE = """\
study: a
data: {set: synthetic, synthetic_count: 400, image_size: 16}
model: {width: 2, latent_dim: 4}
train: {batch_size: 16}
objective: {samples: 60}
"""


def images(tmp_path, *overrides):
    (tmp_path / "space.yaml").write_text(SPACE)
    return GalaxyImages(load_study(tmp_path / "space.yaml", overrides))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where synthetic sets are drawn."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return synthetic_set(tmp_path_factory.mktemp("prepared") / "set", 120, sizes=(16,), seed=0)


def test_as_many_are_held_out_as_are_judged(tmp_path, cache):
    split = images(tmp_path).open(cache)
    assert (len(split.train), len(split.reference), split.held_out) == (340, 60, True)
    assert sorted([*split.train, *split.reference]) == list(range(400))
    assert split.content == GalaxySet.open(split.path).content_hash


@pytest.mark.parametrize(
    ("settings", "train", "reference", "held_out"),
    [
        (["data.held_out=90"], 310, 90, True),
        (["objective.samples=300"], 300, 100, True),
        (["data.synthetic_count=160", "objective.samples=50"], 160, 160, False),
        (["data.synthetic_count=160", "data.held_out=50"], 110, 50, True),
        (["data.synthetic_count=160", "data.held_out=10"], 150, 10, True),
    ],
)
def test_a_quarter_at_most_is_held_out_and_none_where_that_is_too_few(
    tmp_path, cache, settings, train, reference, held_out
):
    split = images(tmp_path, *settings).open(cache)
    assert (len(split.train), len(split.reference), split.held_out) == (train, reference, held_out)


def test_the_division_follows_from_the_seed(tmp_path, cache, prepared):
    named = f"data.set={prepared.path}"
    one, two, three = (images(tmp_path, named, f"data.seed={s}", "data.held_out=30").open(cache) for s in (1, 1, 2))
    assert (one.reference == two.reference).all() and (one.reference != three.reference).any()


@pytest.mark.parametrize(
    ("settings", "key", "says"),
    [
        (["objective.samples=500"], "objective.samples", "the set has 400 galaxies; lower it to at most 400"),
        (["data.held_out=390"], "data.held_out", "leave at least 16 of the 400 galaxies for training"),
        (["train.batch_size=350"], "train.batch_size", "at most 340: the set has 400 galaxies, 60 of them held out"),
    ],
)
def test_too_few_images_are_said_with_what_would_do(tmp_path, cache, settings, key, says):
    with pytest.raises(ConfigError) as caught:
        images(tmp_path, *settings).open(cache)
    assert caught.value.key == key and says in str(caught.value)


def test_what_is_missing_is_said_with_the_commands_that_make_it(tmp_path, cache, prepared):
    assert images(tmp_path).missing() is None
    assert images(tmp_path, f"data.set={prepared.path}").missing() is None
    absent = images(tmp_path, "data.set=nowhere")
    assert "kaggle competitions download" in absent.missing() and "python -m gan.prepare" in absent.missing()
    with pytest.raises(InputError, match=r"--set data\.set=synthetic"):
        absent.open(cache)
    larger = images(tmp_path, f"data.set={prepared.path}", "model.family=stackgan", "data.image_size=32")
    said = larger.missing()
    assert "stackgan needs 16 and 32 px" in said and f"--out {prepared.path} --sizes 16 32`" in said


def test_bands_must_be_those_of_the_set(tmp_path, cache, prepared):
    with pytest.raises(ConfigError, match=r"model\.channels = 1.* has 3 channels"):
        images(tmp_path, f"data.set={prepared.path}", "model.channels=1").open(cache)


def test_the_plan_knows_the_numbers_before_the_set_is_opened(tmp_path, cache, prepared):
    drawn = images(tmp_path)
    line, count = drawn.expected([])
    assert line == (
        "synthetic galaxies, drawn when the study starts: 340 to train on, 60 held out as reference"
    ) and count == len(drawn.open(cache).train)
    named = images(tmp_path, f"data.set={prepared.path}", "data.held_out=50")
    assert named.expected([]) == (f"{prepared.path}: 70 to train on, 50 held out as reference", 70)
    few = images(tmp_path, f"data.set={prepared.path}")
    line, count = few.expected([])
    assert line == f"{prepared.path}: 120 to train on, the same as reference: too few to hold any out"
    assert count == len(few.open(cache).train) == 120
    absent = images(tmp_path, "data.set=nowhere", "objective.samples=9000")
    line, count = absent.expected([absent.missing()])
    assert count == 61_578 - 9000 and "(absent: the paper's 61,578 assumed)" in line


def test_networks_that_cannot_be_built_are_named(tmp_path):
    images(tmp_path).check_networks()
    with pytest.raises(ConfigError, match=r"model\.family = 'cnn'"):
        images(tmp_path, "model.family=cnn").check_networks()
    with pytest.raises(ConfigError) as caught:
        images(tmp_path, "model.family=stackgan").check_networks()
    assert caught.value.key == "data.image_size" and caught.value.line == 2, "where data.image_size stands"


def test_a_first_stage_must_fit(tmp_path):
    first = trained(tmp_path / "first.pt", SMALL)
    enlarger = ["model.family=stackgan", f"objective.stage1={first}"]
    images(tmp_path, *enlarger, "data.image_size=32").check_networks()
    with pytest.raises(ConfigError, match="expected a generator of 32 px, this one draws 16 px"):
        images(tmp_path, *enlarger, "data.image_size=64").check_networks()
    with pytest.raises(ConfigError, match="leave it out: dcgan draws galaxies from noise"):
        images(tmp_path, f"objective.stage1={first}").check_networks()
    with pytest.raises(ConfigError, match="expected a checkpoint"):
        images(tmp_path, enlarger[0], "objective.stage1=nowhere.pt", "data.image_size=32").check_networks()


def test_the_reference_is_measured_once(tmp_path, cache, prepared):
    asked = images(tmp_path, f"data.set={prepared.path}", "data.held_out=12")
    split = asked.open(cache)
    told = []
    catalogue = asked.measure_reference(split, tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    fresh = measure(prepared.images(16)[split.reference])
    assert (catalogue["status"] == fresh["status"]).all()
    assert np.allclose(catalogue["flux"], fresh["flux"], equal_nan=True)
    (file,) = (p for p in (tmp_path / "catalogues").rglob("*") if p.is_file() and p.suffix == ".parquet")
    written = file.stat().st_mtime_ns
    again = asked.measure_reference(split, tmp_path, lambda done, total: None)
    assert again["flux"].equals(catalogue["flux"]) and file.stat().st_mtime_ns == written
