"""The galaxy set of a study that has begun."""

import pytest

from gan.data import DataError
from gan.datasets.synthetic import synthetic_set
from study.config import load_study
from study.tasks.generation.galaxy_set import open_galaxy_set
from study.tasks.generation.images import GalaxyImages

SPACE = "study: a\ndata: {set: synthetic, synthetic_count: 100, image_size: 32}\nobjective: {samples: 50}\n"


def study(tmp_path, *overrides):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml", overrides)


@pytest.mark.parametrize("overrides", [[], ["model={family: stackgan, width: 2}"], ["data.seed=3"]])
def test_it_is_the_set_that_the_study_drew(tmp_path, overrides):
    asked = study(tmp_path, *overrides)
    drawn = GalaxyImages(asked).open(tmp_path / "results" / ".cache")
    found = open_galaxy_set(asked, tmp_path / "results" / "a")
    assert found.path.resolve() == drawn.path and found.content_hash == drawn.content


def test_a_prepared_set_is_the_one_that_is_named(tmp_path):
    made = synthetic_set(tmp_path / "set", 8, sizes=(16,), seed=0)
    asked = study(tmp_path, f"data.set={tmp_path / 'set'}")
    assert open_galaxy_set(asked, tmp_path / "nowhere").content_hash == made.content_hash


def test_a_set_that_is_gone_is_said(tmp_path):
    with pytest.raises(DataError):
        open_galaxy_set(study(tmp_path), tmp_path / "results" / "a")
