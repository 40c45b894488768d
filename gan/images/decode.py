"""From the bytes or numbers of one image to 8-bit RGB of the sizes asked for, or the reason why not.

Everything that a header tells is checked before a pixel is decoded. Decoding is always at full size: a JPEG decoder's
own reduction would change what nearest-neighbour downsampling picks.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from common.errors import in_words
from common.fits_images import GZIP, is_fits
from gan.images.cubes import cube_to_image, read_cube
from gan.images.decode_settings import FILTERS, DecodeSettings, check_size
from gan.images.rejections import Refused

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
ARRAY_FILES = (b"\x93NUMPY", b"\x89HDF\r\n\x1a\n")


@dataclass(frozen=True)
class Decoded:
    """One image at the sizes asked for.

    Attributes
    ----------
    pixels : tuple of ndarray
        (size, size, 3) uint8 for each of `DecodeSettings.sizes`.
    width, height : int
        Of the original, px.
    bad_pixels : int
        Pixels of a cube that were replaced.
    """

    pixels: tuple[np.ndarray, ...]
    width: int
    height: int
    bad_pixels: int = 0


def decode(data: bytes | np.ndarray, settings: DecodeSettings) -> Decoded:
    """Decode the bytes of an image file, or take an array, and resample it.

    Parameters
    ----------
    data : bytes or ndarray
        Content of a JPEG, PNG, TIFF, BMP, WebP, GIF, PPM or FITS file; or (H, W, 3) uint8 or floats in [0, 1].
    settings : DecodeSettings

    Raises
    ------
    Refused
        With the reason, for anything that cannot be used.
    """
    image, width, height, bad = read_square(data, settings)
    method = FILTERS[settings.filter]
    pixels = tuple(np.asarray(image.resize((size, size), method)) for size in settings.sizes)
    return Decoded(pixels, width, height, bad)


def read_square(data: bytes | np.ndarray, settings: DecodeSettings) -> tuple[Image.Image, int, int, int]:
    """Return the central square of an image at its full size.

    Parameters
    ----------
    data : bytes or ndarray
        As `decode`.
    settings : DecodeSettings
        What is accepted.

    Returns
    -------
    image : PIL image
        Square, 8-bit RGB.
    width, height : int
        Of the original, px.
    bad : int
        Pixels of a cube that were replaced.

    Raises
    ------
    Refused
        With the reason, for anything that cannot be used.
    """
    bad = 0
    if isinstance(data, np.ndarray):
        image = Image.fromarray(_bytes_of_array(data, settings))
    elif is_fits(data):
        image, bad = cube_to_image(read_cube(data, settings), settings)
    else:
        image = read_image(data, settings)
    return _square(image), *image.size, bad


def read_image(data: bytes, settings: DecodeSettings) -> Image.Image:
    """Decode the bytes of an image file that is not FITS.

    Parameters
    ----------
    data : bytes
        Content of the file.
    settings : DecodeSettings
        What is accepted.

    Returns
    -------
    PIL image
        8-bit RGB at its full size.

    Raises
    ------
    Refused
        With the reason, for anything that cannot be used.
    """
    if not data:
        raise Refused("empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Image.DecompressionBombError as error:
        raise Refused("too-large", in_words(error)) from None
    except Exception as error:  # noqa: BLE001 - any error of a parser on bytes from outside is a refusal
        raise Refused("damaged", in_words(error)) from None
    check_size(*image.size, settings)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise Refused("several-frames", f"{frames} frames")
    _check_mode(image, settings)
    try:
        image.load()
        return _to_rgb(image)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - any error of a decoder on bytes from outside
        short = "truncated" in str(error) or isinstance(error, EOFError) or "unexpected end" in str(error)
        raise Refused("truncated" if short else "damaged", in_words(error)) from None


def _unidentified(data: bytes) -> Refused:
    if data.startswith(ARCHIVES) or data[:2] == GZIP:
        return Refused("nested-archive")
    if data.startswith(ARRAY_FILES):
        return Refused("array-file")
    if data[:2] == b"\xff\xd8" or data[:8] == b"\x89PNG\r\n\x1a\n":
        return Refused("damaged", "starts as a JPEG or PNG, but its header cannot be read")
    return Refused("not-an-image")


def _check_mode(image: Image.Image, settings: DecodeSettings) -> None:
    """Refuse from the header what has no 8-bit RGB meaning."""
    if image.mode in ("RGB", "RGBX", "P", "PA", "RGBA", "LA"):
        return
    if image.mode == "L" and settings.greyscale:
        return
    hint = " (--greyscale takes it as three equal bands)" if image.mode == "L" else ""
    raise Refused("wrong-mode", f"mode {image.mode}{hint}")


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of palettes and of images whose alpha channel is opaque everywhere."""
    if image.mode == "RGB":
        return image
    if image.mode in ("P", "PA", "RGBA", "LA"):
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise Refused("wrong-mode", "an alpha channel that is not opaque everywhere")
    return image.convert("RGB")


def _square(image: Image.Image) -> Image.Image:
    width, height = image.size
    if width == height:
        return image
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _bytes_of_array(array: np.ndarray, settings: DecodeSettings) -> np.ndarray:
    """(H, W, 3) uint8 of an image given as numbers."""
    if array.ndim != 3 or array.shape[-1] != 3:
        raise Refused("wrong-shape", f"shape {array.shape}; accepted: (height, width, 3)")
    check_size(array.shape[1], array.shape[0], settings)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        raise Refused("wrong-mode", f"numbers of type {array.dtype}; accepted: uint8, or floats in [0, 1]")
    low, high = float(np.min(array)), float(np.max(array))
    if not (low >= 0 and high <= 1):  # also when either is NaN
        raise Refused("wrong-values", f"floats from {low:.4g} to {high:.4g}; accepted: 0 to 1")
    return np.rint(array * 255).astype(np.uint8)
