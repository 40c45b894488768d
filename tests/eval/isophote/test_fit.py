"""The corrections of an ellipse, and one fit of a galaxy of known shape."""

from __future__ import annotations

import numpy as np
import pytest

from eval.isophote.fit import MAX_EPS, MIN_EPS, _correct, _largest_harmonic, _turned
from eval.isophote.sampling import Geometry, Sample
from eval.measure import measure

OLD = Geometry(100.0, 90.0, 0.3, 0.7, 20.0, 0.3)
GRADIENT = -2.0


def test_each_harmonic_corrects_its_own_parameter():
    def moved(which):
        new = _correct(20.0, OLD, which, 0.5, GRADIENT)
        return {name for name in ("x0", "y0", "eps", "pa") if abs(getattr(new, name) - getattr(OLD, name)) > 1e-12}

    assert [moved(which) for which in range(4)] == [{"x0", "y0"}, {"x0", "y0"}, {"pa"}, {"eps"}]


def test_the_centre_moves_along_the_axes_by_jedrzejewskis_amounts():
    across, along = (_correct(20.0, OLD, which, 0.5, GRADIENT) for which in (0, 1))
    axis = np.array([np.cos(OLD.pa), np.sin(OLD.pa)])
    normal = np.array([-np.sin(OLD.pa), np.cos(OLD.pa)])
    shift = np.array([along.x0 - OLD.x0, along.y0 - OLD.y0])
    assert shift == pytest.approx(0.25 * axis)
    shift = np.array([across.x0 - OLD.x0, across.y0 - OLD.y0])
    assert shift == pytest.approx(0.25 * 0.7 * normal)


def test_ellipticity_has_a_largest_value():
    assert _correct(20.0, OLD, 3, 1e6, GRADIENT).eps == MAX_EPS


def test_an_ellipse_beyond_round_exchanges_its_axes():
    turned = _turned(OLD._replace(eps=-0.2))
    assert turned.eps == pytest.approx(0.2) and turned.pa == pytest.approx(0.7 + np.pi / 2)
    assert _turned(OLD._replace(eps=0.0)).eps == MIN_EPS


def test_the_largest_harmonic_is_found_with_its_sign():
    for which in range(4):
        amplitudes = [0.1, -0.2, 0.3, -0.4]
        amplitudes[which] = -5.0
        sample = Sample(10, 10, 0.0, 1.0, 1.0, *amplitudes)
        assert _largest_harmonic(sample) == (-5.0, which)


def test_an_exponential_disc_has_its_axis_ratio_and_angle():
    y, x = np.mgrid[:64, :64] - 31.5
    angle = np.deg2rad(30)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    image = np.clip(200 * np.exp(-np.hypot(along, across / 0.6) / 6), 0, 255)[..., None].repeat(3, -1).astype(np.uint8)
    row = measure(image[None]).iloc[0]
    assert row["status"] == "ok" and row["ellipticity"] == pytest.approx(0.4, abs=0.03)
    assert row["position_angle"] == pytest.approx(-30, abs=2)
