"""The stem of a file: one rule for every command."""

import pytest

from common.names import is_fits_name, stem, without_suffix


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/gal0.fits", "gal0"), ("gal0.fits.gz", "gal0"), ("gal0.FITS.fz", "gal0"), ("gal0.fit.bz2", "gal0"),
     ("08.jpg", "08"), ("J1234+56.7.png", "J1234+56.7"), ("plain", "plain"), ("table.csv.gz", "table.csv")],
)  # fmt: skip
def test_stem(name, expected):
    assert stem(name) == expected


def test_the_path_without_the_suffix_keeps_its_folders():
    assert [without_suffix(name) for name in ("a.b/gal0.fits.gz", "x/y/08.jpg", "plain")] == [
        "a.b/gal0",
        "x/y/08",
        "plain",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.fits", True), ("b/a.FIT", True), ("a.fts.bz2", True), ("a.fits.fz", True), ("fits", False),
     ("a.csv.gz", False),
     ("a.fits.png", False)],
)  # fmt: skip
def test_fits_by_its_name(name, expected):
    assert is_fits_name(name) is expected
