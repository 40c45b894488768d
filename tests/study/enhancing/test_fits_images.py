"""FITS files opened for an enhancer: their planes in the file's unit, or the reason why not."""

import numpy as np
import pytest
from astropy.io import fits

from gan.enhance.apply.stretch import LinearStretch
from gan.images.rejections import Refused
from study.enhancing.fits_images import open_fits

STRETCH = LinearStretch(low=0, high=100)
VALUES = np.arange(20).reshape(4, 5)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32])
def test_integers_with_an_offset_are_read_as_the_numbers_they_are(tmp_path, dtype):
    fits.PrimaryHDU(VALUES.astype(dtype)).writeto(tmp_path / "a.fits")
    with open_fits(tmp_path / "a.fits", channels=1, bands=(0,), stretch=STRETCH) as image:
        assert image.shape == (4, 5, 1) and not image.is_bytes
        np.testing.assert_allclose(image[:, :][..., 0], VALUES / 100, atol=1e-6)


def test_bytes_are_the_colours_that_they_are(tmp_path):
    fits.PrimaryHDU(np.full((3, 4, 5), 51, np.uint8)).writeto(tmp_path / "a.fits")
    with open_fits(tmp_path / "a.fits", channels=3, bands=(2, 1, 0), stretch=STRETCH) as image:
        np.testing.assert_allclose(image[:, :], 0.2, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 3, 4, 5), (7,)])
def test_images_of_another_shape_are_refused(tmp_path, shape):
    fits.PrimaryHDU(np.zeros(shape)).writeto(tmp_path / "a.fits")
    opened = open_fits(tmp_path / "a.fits", channels=3, bands=(2, 1, 0), stretch=STRETCH)
    with pytest.raises(Refused) as caught, opened:
        pass
    assert caught.value.reason == "wrong-shape"


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_ends_early_is_refused(tmp_path):
    fits.PrimaryHDU(np.zeros((100, 100))).writeto(tmp_path / "a.fits")
    (tmp_path / "a.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:5000])
    with pytest.raises(Refused) as caught, open_fits(tmp_path / "a.fits", channels=1, bands=(0,), stretch=STRETCH):
        pass
    assert caught.value.reason == "truncated"
