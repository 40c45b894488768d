"""One image at a time: what is taken as it is, what is converted, what is refused and why."""

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from common.errors import FieldError
from gan.images.decode import decode
from gan.images.decode_settings import FILTERS, DecodeSettings
from gan.images.rejections import REASONS, Refused

SETTINGS = DecodeSettings(sizes=(16, 32))
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "galaxies"
RGB = np.random.default_rng(0).integers(0, 256, (53, 53, 3), np.uint8)


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, form, **options)
    return stream.getvalue()


def fits_bytes(data, **options):
    stream = io.BytesIO()
    fits.PrimaryHDU(data, **options).writeto(stream)
    return stream.getvalue()


def reason(data, settings=SETTINGS):
    with pytest.raises(Refused) as caught:
        decode(data, settings)
    assert caught.value.reason in REASONS and caught.value.detail
    return caught.value.reason


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_nearest_takes_the_pixels_at_the_centres(form):
    decoded = decode(encoded(RGB, form, **({"lossless": True} if form == "WEBP" else {})), SETTINGS)
    assert (decoded.width, decoded.height) == (53, 53)
    for size, pixels in zip(SETTINGS.sizes, decoded.pixels, strict=True):
        at = ((np.arange(size) + 0.5) * 53 / size).astype(int)
        np.testing.assert_array_equal(pixels, RGB[at][:, at])


@pytest.mark.parametrize("name", FILTERS)
def test_jpegs_are_decoded_at_full_size(name):
    data = encoded(Image.fromarray(RGB).resize((424, 424), Image.Resampling.BICUBIC), "JPEG", quality=90)
    expected = Image.open(io.BytesIO(data)).resize((32, 32), FILTERS[name])
    np.testing.assert_array_equal(
        decode(data, DecodeSettings(sizes=(32,), filter=name)).pixels[0], np.asarray(expected)
    )


def test_what_has_an_exact_rgb_meaning_is_converted():
    opaque = np.dstack([RGB, np.full((53, 53), 255, np.uint8)])
    palette = Image.fromarray(RGB).quantize(32)
    expected = decode(encoded(RGB), SETTINGS).pixels[1]
    np.testing.assert_array_equal(decode(encoded(opaque), SETTINGS).pixels[1], expected)
    np.testing.assert_array_equal(
        decode(encoded(palette), SETTINGS).pixels[1], decode(encoded(palette.convert("RGB")), SETTINGS).pixels[1]
    )


def test_greyscale_is_taken_only_when_asked_for():
    data = encoded(RGB[..., 0])
    assert reason(data) == "wrong-mode"
    pixels = decode(data, DecodeSettings(sizes=(53,), greyscale=True)).pixels[0]
    np.testing.assert_array_equal(pixels, np.repeat(RGB[..., :1], 3, -1))


def test_modes_without_an_8_bit_rgb_meaning_are_refused():
    see_through = np.dstack([RGB, RGB[..., 0]])
    assert reason(encoded(see_through)) == "wrong-mode"
    assert reason(encoded(np.dstack([RGB[..., 0], RGB[..., 1]]))) == "wrong-mode"
    assert reason(encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG")) == "wrong-mode"
    assert reason(encoded(RGB[..., 0].astype(np.uint16) * 256)) == "wrong-mode"
    assert reason(encoded(RGB[..., 0].astype(np.float32), "TIFF")) == "wrong-mode"
    assert reason(encoded(Image.fromarray(RGB).convert("1"))) == "wrong-mode"


def test_not_square_is_refused_or_cropped_in_the_middle():
    wide = encoded(RGB[:40])
    assert reason(wide) == "not-square"
    decoded = decode(wide, DecodeSettings(sizes=(40,), crop=True))
    np.testing.assert_array_equal(decoded.pixels[0], RGB[:40, 6:46])
    assert (decoded.width, decoded.height) == (53, 40)
    assert reason(encoded(RGB[:20]), DecodeSettings(sizes=(40,), crop=True)) == "too-small"


@pytest.mark.parametrize("cut", [100, 1000, -200])
def test_cut_short_files_are_refused(cut):
    for form in ("JPEG", "PNG"):
        assert reason(encoded(RGB, form)[:cut]) in ("truncated", "damaged")


def test_other_bytes_are_refused_by_what_they_are():
    assert reason(b"") == "empty"
    assert reason(b"hello, world") == "not-an-image"
    assert reason(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "not-an-image"
    assert reason(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n") == "not-an-image"  # never to Ghostscript
    assert reason(b"PK\x03\x04" + bytes(40)) == "nested-archive"
    assert reason(gzip.compress(b"tar")) == "nested-archive"
    assert reason(b"\x93NUMPY\x01\x00") == "array-file"
    assert reason(b"\xff\xd8\xff\xe0") == "damaged"
    stack = io.BytesIO()
    Image.fromarray(RGB).save(stack, "GIF", save_all=True, append_images=[Image.fromarray(255 - RGB)])
    assert reason(stack.getvalue()) == "several-frames"


def test_bombs_are_refused_from_their_header():
    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    assert reason(bomb) == "too-large"
    assert reason(encoded(RGB), DecodeSettings(sizes=(16,), max_pixels=52 * 53)) == "too-large"
    cards = {"NAXIS": 3, "NAXIS1": 60_000, "NAXIS2": 60_000, "NAXIS3": 3}
    lines = ["SIMPLE  =                    T", "BITPIX  =                  -32"]
    lines += [f"{key:8}= {value:20}" for key, value in cards.items()]
    text = "".join(line.ljust(80) for line in [*lines, "END"])
    assert reason(text.ljust(2880).encode() + bytes(2880)) == "too-large"
    zeros = gzip.compress(fits_bytes(np.zeros((3, 40, 40), np.float32)) + bytes(60_000_000))
    assert reason(zeros, DecodeSettings(sizes=(16,), max_pixels=2_000_000)) == "too-large"


def test_arrays():
    np.testing.assert_array_equal(decode(RGB, DecodeSettings(sizes=(53,))).pixels[0], RGB)
    np.testing.assert_array_equal(decode(RGB / np.float32(255), DecodeSettings(sizes=(53,))).pixels[0], RGB)
    assert reason(RGB.astype(np.uint16)) == "wrong-mode"
    assert reason(RGB.astype(np.float32)) == "wrong-values"
    assert reason(np.full((32, 32, 3), np.nan)) == "wrong-values"
    assert reason(RGB[..., :2]) == "wrong-shape"
    assert reason(RGB[:8, :8]) == "too-small"


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


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"sizes": ()}, "sizes"),
        ({"sizes": (64, 64)}, "sizes"),
        ({"sizes": (4,)}, "sizes"),
        ({"filter": "sinc"}, "filter"),
        ({"bands": (0, 1)}, "bands"),
        ({"lupton_stretch": 0.0}, "lupton_stretch"),
        ({"lupton_q": float("inf")}, "lupton_q"),
        ({"lupton_minimum": float("nan")}, "lupton_minimum"),
        ({"band_scale": (1.0, float("inf"), 1.0)}, "band_scale"),
        ({"lupton_q": -1.0}, "lupton_q"),
        ({"max_bad_pixels": 1.0}, "max_bad_pixels"),
        ({"max_pixels": 100}, "max_pixels"),
        ({"band_scale": (1.0, 0.0, 1.0)}, "band_scale"),
    ],
)
def test_wrong_settings_are_named(wrong, name):
    with pytest.raises(FieldError) as caught:
        DecodeSettings(**wrong)
    assert caught.value.field == name
