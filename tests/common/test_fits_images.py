"""The first image of a FITS file: which one, in which unit and byte order, and what is said of files that have none."""

import bz2
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from common.fits_images import FitsError, is_fits, open_image

pytestmark = pytest.mark.filterwarnings("ignore")  # astropy warns of damage before it raises

CUBE = np.arange(3 * 5 * 4, dtype=np.float32).reshape(3, 5, 4)


def content(*hdus):
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream)
    return stream.getvalue()


PLAIN = content(fits.PrimaryHDU(CUBE))


def read(source, dtype=np.float64, **options):
    with open_image(source, **options) as image:
        return image.read(dtype)


def reason(source, **options):
    with pytest.raises(FitsError) as caught:
        read(source, **options)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value.reason


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".fits.bz2"])
def test_a_file_and_its_bytes_give_the_same_image(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    compress = {".fits": bytes, ".fits.gz": gzip.compress, ".fits.bz2": bz2.compress}[suffix]
    path.write_bytes(compress(PLAIN))
    found = read(path)
    assert found.dtype == np.dtype(np.float64) and found.dtype.isnative
    np.testing.assert_array_equal(found, CUBE)
    if suffix != ".fits.bz2":
        np.testing.assert_array_equal(read(path.read_bytes()), CUBE)
        assert is_fits(path.read_bytes())


@pytest.mark.parametrize(
    "hdus",
    [
        (fits.PrimaryHDU(), fits.ImageHDU(CUBE), fits.ImageHDU(CUBE + 1)),
        (fits.PrimaryHDU(), fits.CompImageHDU(CUBE)),
        (fits.PrimaryHDU(np.arange(9.0)), fits.ImageHDU(CUBE)),
        (fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])]), fits.ImageHDU(CUBE)),
    ],
)
def test_the_first_image_of_two_axes_or_more_is_taken(hdus):
    np.testing.assert_allclose(read(content(*hdus)), CUBE, atol=0.5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.float64])
def test_values_are_scaled_and_a_map_keeps_their_type(tmp_path, dtype):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU((CUBE * 3).astype(dtype)).writeto(path)
    np.testing.assert_array_equal(read(path, np.float32), CUBE * 3)
    with open_image(path) as image:
        mapped = image.mapped()
        assert image.shape == mapped.shape == CUBE.shape and mapped.dtype.newbyteorder("=") == dtype
        np.testing.assert_array_equal(mapped, CUBE * 3)


def test_the_header_comes_along_as_a_copy():
    with open_image(content(fits.PrimaryHDU(CUBE, fits.Header({"BUNIT": "nJy"})))) as image:
        header = image.header
        header["BUNIT"] = "mJy"
        assert image.header["BUNIT"] == "nJy"


def test_the_shape_is_known_before_the_pixels_are_read():
    with open_image(PLAIN[:2880] + b"\0" * 30) as image:
        assert image.shape == (3, 5, 4)
        with pytest.raises(FitsError, match=r"truncated|buffer"):
            image.read(np.float32)


def test_what_cannot_be_read_is_one_line_with_a_reason(tmp_path):
    assert reason(b"SIMPLE  =                    T / no more") in ("truncated", "damaged")
    assert reason(content(fits.PrimaryHDU(np.arange(9.0)))) == "no-image"
    assert reason(gzip.compress(PLAIN), max_bytes=2000) == "too-large"
    assert reason(gzip.compress(PLAIN)[:10] + b"nonsense" * 8) == "damaged"
    assert reason(tmp_path / "absent.fits") == "damaged"
    assert reason(b"") == "truncated" or reason(b"") == "damaged"


@pytest.mark.parametrize(
    "data", [b"", b"\x1f\x8b", b"\x1f\x8bnot gzip at all", b"\xff\xd8 a JPEG", gzip.compress(b"text")]
)
def test_other_bytes_are_not_fits(data):
    assert not is_fits(data)
