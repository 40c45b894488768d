"""FITS cubes of three or more bands, and their colour images."""

from __future__ import annotations

import io
import warnings
import zlib

import numpy as np
from PIL import Image

from gan.images.decode_settings import DecodeSettings, check_size, in_words
from gan.images.rejections import Refused

GZIP = b"\x1f\x8b"
FITS_START = b"SIMPLE  ="


def is_fits(data: bytes) -> bool:
    """Whether these are the bytes of a FITS file, plain or gzipped."""
    if data[:2] != GZIP:
        return data[:9] == FITS_START
    try:
        return zlib.decompressobj(31).decompress(data[:4096], len(FITS_START)) == FITS_START
    except zlib.error:
        return False


def _gunzip(data: bytes, settings: DecodeSettings) -> bytes:
    limit = 24 * settings.max_pixels  # three bands of float64
    stream = zlib.decompressobj(31)
    try:
        plain = stream.decompress(data, limit)
    except zlib.error as error:
        raise Refused("damaged", in_words(error)) from None
    if stream.unconsumed_tail:
        raise Refused("too-large", f"more than {limit:,} bytes when decompressed")
    return plain


def read_cube(data: bytes, settings: DecodeSettings) -> np.ndarray:
    """The first image cube of a FITS file, (bands, H, W) float, checked against its header; raises `Refused`."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            plain = _gunzip(data, settings) if data[:2] == GZIP else data
            with fits.open(io.BytesIO(plain), memmap=False, lazy_load_hdus=True) as hdus:
                for hdu in hdus:
                    if isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) and len(hdu.shape) > 0:
                        _check_cube_shape(hdu.shape, settings)
                        return np.asarray(hdu.data, np.float64)
        except Refused:
            raise
        except Exception as error:
            short = isinstance(error, EOFError) or "buffer is too small" in str(error) or "truncated" in str(error)
            raise Refused("truncated" if short else "damaged", in_words(error)) from None
    raise Refused("wrong-shape", "a FITS file without an image")


def _check_cube_shape(shape: tuple[int, ...], settings: DecodeSettings) -> None:
    if len(shape) != 3 or shape[0] <= max(settings.bands):
        raise Refused(
            "wrong-shape", f"FITS image of shape {shape}; accepted: (bands, height, width) with the bands used"
        )
    check_size(shape[2], shape[1], settings)
    if shape[0] > 64:
        raise Refused("too-large", f"FITS cube of {shape[0]} planes")


def cube_to_image(cube: np.ndarray, settings: DecodeSettings) -> tuple[Image.Image, int]:
    """RGB of a linear cube by Lupton et al. (2004), and the number of pixels that were replaced; raises `Refused`.

    Rows of a FITS image run from the bottom up; those of the result from the top down.
    """
    from astropy.visualization import make_lupton_rgb

    planes = np.array([cube[band] for band in settings.bands], np.float64)[:, ::-1]
    planes *= np.array(settings.band_scale)[:, None, None]
    bad = ~np.isfinite(planes)
    empty = planes == 0
    for plane in range(3):
        if empty[plane].mean() > settings.max_bad_pixels:
            bad[plane] |= empty[plane]
    share = float(bad.any(0).mean())
    if share > settings.max_bad_pixels:
        raise Refused("bad-pixels", f"{share:.1%} of the pixels have no data in a band")
    for plane in range(3):
        if bad[plane].any():
            planes[plane][bad[plane]] = np.median(planes[plane][~bad[plane]])
    rgb = make_lupton_rgb(
        *planes, minimum=settings.lupton_minimum, stretch=settings.lupton_stretch, Q=settings.lupton_q
    )
    return Image.fromarray(rgb), int(bad.any(0).sum())
