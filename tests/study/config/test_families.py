"""Which kind of study a file describes."""

import pytest

from common.errors import FieldError
from study.config.families import STUDIES, EnhancerStudy, GalaxyStudy, study_type
from study.config.overrides import SECTIONS
from tests.study.config.spaces import PAIRS, load


@pytest.mark.parametrize("family", [None, "dcgan", "stackgan", "of tomorrow", 3, ["unet"]])
def test_what_is_no_enhancer_draws_galaxies(family):
    assert study_type(family) is GalaxyStudy


def test_a_unet_enhances():
    assert study_type("unet") is EnhancerStudy is STUDIES["unet"]


@pytest.mark.parametrize("cls", [GalaxyStudy, EnhancerStudy])
def test_every_section_has_its_type(cls):
    assert tuple(cls.section_types()) == SECTIONS


def test_what_data_decides_is_no_axis():
    for cls in (GalaxyStudy, EnhancerStudy):
        assert not set(cls.fixed) & set(cls.axis_paths())
        assert "model.image_size" in cls.fixed
    assert "model.family" in GalaxyStudy.axis_paths()
    assert "train.dropout.p" in GalaxyStudy.axis_paths() and "train.dropout" not in GalaxyStudy.axis_paths()
    assert "model.critic.width" in EnhancerStudy.axis_paths()


@pytest.mark.parametrize(
    ("cls", "good", "bad"), [(GalaxyStudy, (16, 64, 512), (8, 48, 1024)), (EnhancerStudy, (16, 48, 224), (8, 33))]
)
def test_sides_that_models_can_have(cls, good, bad):
    for side in good:
        cls.check_size(side)
    for side in bad:
        with pytest.raises(FieldError, match="image_size"):
            cls.check_size(side)


def test_files_become_studies_of_their_family(tmp_path):
    assert type(load(tmp_path)) is GalaxyStudy
    assert type(load(tmp_path, text=PAIRS)) is EnhancerStudy
