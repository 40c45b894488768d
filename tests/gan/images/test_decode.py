"""One image at a time: what is taken as it is, what is converted, what is refused and why."""

import gzip
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from gan.images.decode import decode
from gan.images.decode_settings import FILTERS, DecodeSettings
from tests.gan.images.contents import SETTINGS, fits_bytes, reason

RGB = np.random.default_rng(0).integers(0, 256, (53, 53, 3), np.uint8)


def encoded(image, form="PNG", **options):
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, form, **options)
    return stream.getvalue()


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
