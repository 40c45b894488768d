"""The one table of measured properties."""

from __future__ import annotations

import astropy.units as u

from eval import catalogue
from eval.properties import PROPERTIES, unit_of


def test_the_catalogue_has_a_column_for_each_and_astropy_knows_the_units():
    assert tuple(catalogue.PROPERTIES) == tuple(PROPERTIES)
    for known in PROPERTIES.values():
        assert u.Unit(known.unit).to_string() == known.unit


def test_both_definitions_of_a_column_have_its_unit():
    assert unit_of("flux") == unit_of("converged_flux") == "adu"
    assert unit_of("position_angle") == "deg" and unit_of("status") == ""


def test_axes_and_differences_name_the_unit():
    assert PROPERTIES["flux"].axis == "flux [adu, sum over the frame]"
    assert PROPERTIES["position_angle"].axis == "position angle [deg]"
    assert PROPERTIES["flux"].difference == "ln flux"
    assert PROPERTIES["position_angle"].difference == "position angle, deg"
