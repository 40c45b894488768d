"""The stem of a file: one rule for every command."""

import pytest

from common.names import stem


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/gal0.fits", "gal0"), ("gal0.fits.gz", "gal0"), ("gal0.FITS.fz", "gal0"), ("gal0.fit.bz2", "gal0"),
     ("08.jpg", "08"), ("J1234+56.7.png", "J1234+56.7"), ("plain", "plain"), ("table.csv.gz", "table.csv")],
)  # fmt: skip
def test_stem(name, expected):
    assert stem(name) == expected
