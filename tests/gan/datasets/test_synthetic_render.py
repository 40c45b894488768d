"""From numbers to images: light where it should be, as much as there should be, and nothing that was left out."""

import numpy as np
import pytest

from gan.datasets.synthetic_population import draw_parameters
from gan.datasets.synthetic_render import render


@pytest.fixture(scope="module")
def drawn():
    return draw_parameters(np.random.default_rng(5), 12)


def images(drawn, size=64, seed=0, **options):
    return render(drawn, size, np.random.default_rng(seed), **options)


@pytest.mark.parametrize("size", [8, 64, 100])
def test_images_have_their_shape_and_type(drawn, size):
    found = images(drawn, size)
    assert found.shape == (12, size, size, 3) and found.dtype == np.uint8


def test_noise_alone_depends_on_the_stream(drawn):
    assert (images(drawn, noise=False) == images(drawn, seed=1, noise=False)).all()
    assert (images(drawn) != images(drawn, seed=1)).any()


def test_brighter_galaxies_are_brighter_and_the_light_is_in_the_middle(drawn):
    plain = images(drawn, field=False, noise=False).astype(float)
    brighter = images({**drawn, "flux": 2 * drawn["flux"]}, field=False, noise=False).astype(float)
    assert (brighter.sum((1, 2, 3)) > plain.sum((1, 2, 3))).all()
    middle, corner = plain[:, 28:36, 28:36].mean((1, 2, 3)), plain[:, :8, :8].mean((1, 2, 3))
    assert (middle > corner + 20).all()


def test_a_moved_galaxy_moves_by_as_many_pixels(drawn):
    smooth = {**drawn, "clumpiness": np.zeros(12)}  # clumps and the blocks of JPEG's colours stay in the frame
    plain, moved = (
        images({**smooth, "x": drawn["x"] + shift}, field=False, noise=False).mean(-1) for shift in (0.0, 4.0)
    )
    inner = np.s_[:, 20:44, 20:40]
    assert np.abs(moved[:, :, 4:][inner] - plain[:, :, :-4][inner]).mean() < 0.6
    assert np.abs(moved[inner] - plain[inner]).mean() > 5


def test_a_worse_seeing_makes_cores_fainter(drawn):
    sharp, blurred = (
        images({**drawn, "seeing": np.full(12, seeing)}, field=False, noise=False).max((1, 2, 3)).astype(int)
        for seeing in (1.0, 8.0)
    )
    assert (blurred <= sharp).all() and (blurred < sharp).any()
