"""Stretches of FITS data: as astropy's, and back again."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb

from common.errors import FieldError
from gan.enhance.apply.stretch import LinearStretch, LuptonStretch


def fluxes() -> np.ndarray:
    rng = np.random.default_rng(0)
    return 10 ** rng.uniform(-3, 0.8, (40, 50, 3)) * rng.choice([1, 1, 1, -0.01], (40, 50, 3))


@pytest.mark.parametrize(("stretch", "q", "minimum"), [(0.1, 8.0, 0.0), (5.0, 2.0, 0.0), (0.02, 12.0, -0.05)])
def test_lupton_is_astropy_s_to_the_byte(stretch, q, minimum):
    flux = fluxes()
    ours = LuptonStretch(stretch=stretch, q=q, minimum=minimum).forward(flux)
    theirs = make_lupton_rgb(*np.moveaxis(flux, -1, 0), minimum=minimum, stretch=stretch, Q=q)
    assert np.abs(ours * 255 - theirs).max() <= 1.0 + 1e-3  # astropy cuts off, it does not round


def test_what_is_neither_negative_nor_saturated_comes_back():
    flux = np.abs(fluxes()) + 1e-3
    lupton = LuptonStretch()
    unit = lupton.forward(flux)
    kept = unit.max(-1) < 1
    assert kept.mean() > 0.3
    np.testing.assert_allclose(lupton.inverse(unit)[kept], flux[kept], rtol=3e-5)


def test_a_saturated_pixel_keeps_its_hue():
    flux = np.array([[2.0, 1.0, 0.5]]) * 1e3
    unit = LuptonStretch().forward(flux)[0]
    np.testing.assert_allclose(unit, [1.0, 0.5, 0.25], rtol=1e-6)


def test_white_is_where_the_stretch_ends():
    lupton = LuptonStretch(minimum=0.5)
    grey = np.full((1, 3), 0.5 + lupton.white)
    np.testing.assert_allclose(lupton.forward(grey), 1.0, rtol=1e-6)


def test_linear_there_and_back():
    line = LinearStretch(low=-1, high=3)
    np.testing.assert_allclose(line.forward(np.array([-2.0, -1, 1, 3, 9])), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(line.inverse(line.forward(np.array([0.0, 2.5]))), [0.0, 2.5])


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: LuptonStretch(stretch=0), "stretch"),
        (lambda: LuptonStretch(q=float("nan")), "q"),
        (lambda: LinearStretch(low=2, high=1), "high"),
    ],
)
def test_a_stretch_that_cannot_be_is_refused(make, field):
    with pytest.raises(FieldError, match=field):
        make()
