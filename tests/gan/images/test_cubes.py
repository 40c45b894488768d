"""FITS cubes: their colours, their bad pixels, what is refused."""

import gzip

import numpy as np
import pytest

from gan.images.decode import decode
from gan.images.decode_settings import DecodeSettings
from tests.gan.images.contents import fits_bytes, reason
from tests.gan.places import REAL


def cube(size=40):
    y, x = np.mgrid[:size, :size]
    return np.exp(-np.hypot(x - 10, y - 30) / 5)[None] * np.array([0.5, 1.0, 2.0])[:, None, None]


def test_a_fits_cube_becomes_luptons_rgb_with_its_first_row_at_the_bottom():
    from astropy.visualization import make_lupton_rgb

    data = cube().astype(np.float32)
    settings = DecodeSettings(sizes=(40,), lupton_stretch=0.3, lupton_q=5, lupton_minimum=0.01, band_scale=(0.5, 1, 2))
    expected = make_lupton_rgb(data[2] * 0.5, data[1], data[0] * 2, minimum=0.01, stretch=0.3, Q=5)[::-1]
    for content in (fits_bytes(data), gzip.compress(fits_bytes(data))):
        np.testing.assert_array_equal(decode(content, settings).pixels[0], expected)
    red = decode(fits_bytes(data), DecodeSettings(sizes=(40,))).pixels[0]
    assert red[9, 10].argmax() == 0 and red[9, 10, 0] > 250 > 100 > red[30, 10, 0]


def test_few_bad_pixels_are_filled_and_counted_and_many_refused():
    data = cube()
    data[1, 3, 4:6] = np.nan
    data[0, 3, 5] = np.inf
    decoded = decode(fits_bytes(data), DecodeSettings(sizes=(40,)))
    assert decoded.bad_pixels == 2
    data[2, :2] = 0
    assert reason(fits_bytes(data)) == "bad-pixels"
    assert decode(fits_bytes(data), DecodeSettings(sizes=(40,), max_bad_pixels=0.2)).bad_pixels == 2
    assert reason(fits_bytes(np.zeros((3, 40, 40)))) == "bad-pixels"


def test_other_fits_files_are_refused():
    assert reason(fits_bytes(cube()[:2])) == "wrong-shape"
    assert reason(fits_bytes(cube()[0])) == "wrong-shape"
    assert reason(fits_bytes(None)) == "wrong-shape"
    assert reason(fits_bytes(cube())[:9000]) == "truncated"
    assert reason(b"SIMPLE  =                    T" + b"\xff" * 5000) in ("damaged", "wrong-shape", "truncated")


@pytest.mark.skipif(not REAL.is_dir(), reason="no real galaxies beside the repository")
def test_real_fits_files():
    settings = DecodeSettings(sizes=(64,))
    assert decode((REAL / "fits/example_a.fits").read_bytes(), settings).pixels[0].max() > 100
    assert reason((REAL / "fits/example_bad_pix.fits").read_bytes(), settings) == "bad-pixels"
    assert reason((REAL / "fits/truncated.fits").read_bytes(), settings) == "truncated"
