"""Random galaxies: quantities in their ranges, distributed as they say."""

import numpy as np
import pytest

from gan.datasets.synthetic_population import FRAME, draw_parameters

N = 4000


@pytest.fixture(scope="module")
def drawn():
    return draw_parameters(np.random.default_rng(3), N)


def test_every_quantity_has_one_value_per_galaxy_and_is_finite(drawn):
    for name, values in drawn.items():
        assert np.isfinite(values).all(), name
        assert name == "field" or len(values) == N, name


def test_quantities_are_in_their_ranges(drawn):
    for name, low, high in (("ellipticity", 0, 0.9), ("theta", 0, np.pi), ("bulge_fraction", 0, 1)):
        assert low <= drawn[name].min() and drawn[name].max() <= high, name
    for name in ("seeing", "radius", "bulge_radius", "flux", "noise", "sky", "arcsec"):
        assert drawn[name].min() > 0, name


def test_most_are_discs_and_only_discs_have_arms_and_clumps(drawn):
    assert drawn["disc"].mean() == pytest.approx(0.7, abs=0.03)
    round_ones = ~drawn["disc"]
    assert (drawn["bulge_fraction"][round_ones] == 1).all()
    assert (drawn["arm_strength"][round_ones] == 0).all() and (drawn["clumpiness"][round_ones] == 0).all()


def test_the_field_belongs_to_its_galaxies_and_larger_frames_have_more_of_it(drawn):
    owner = drawn["field"][:, 0].astype(int)
    np.testing.assert_array_equal(np.bincount(owner, minlength=N), drawn["n_stars"] + drawn["n_neighbours"])
    assert (np.abs(drawn["field"][:, 1:3]) <= FRAME / 2 + 2).all() and (drawn["field"][:, 3] >= 0).all()
    large = drawn["arcsec"] > np.median(drawn["arcsec"])
    assert drawn["n_stars"][large].mean() > 1.5 * drawn["n_stars"][~large].mean()


def test_the_same_stream_gives_the_same_galaxies(drawn):
    again = draw_parameters(np.random.default_rng(3), N)
    assert all(np.array_equal(values, again[name]) for name, values in drawn.items())
