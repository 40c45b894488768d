"""FITS cubes of three or more bands, and their colour images."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image

from common.fits_images import FitsError, open_image
from gan.images.decode_settings import DecodeSettings, check_size
from gan.images.rejections import Refused


def read_cube(data: bytes, settings: DecodeSettings) -> np.ndarray:
    """Read the first image of a FITS file, which must be a cube; its header is checked before its pixels are read.

    Parameters
    ----------
    data : bytes
        Content of the file, plain or compressed with gzip.
    settings : DecodeSettings
        What is accepted.

    Returns
    -------
    ndarray, (bands, H, W) float64
        In the unit of the file, rows from the bottom up.

    Raises
    ------
    Refused
        With the reason, for anything else.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_image(data, max_bytes=24 * settings.max_pixels) as image:  # three bands of float64
                _check_cube_shape(image.shape, settings)
                return image.read(np.float64)
        except FitsError as error:
            raise Refused("wrong-shape" if error.reason == "no-image" else error.reason, str(error)) from None


def _check_cube_shape(shape: tuple[int, ...], settings: DecodeSettings) -> None:
    if len(shape) != 3 or shape[0] <= max(settings.bands):
        raise Refused(
            "wrong-shape", f"FITS image of shape {shape}; accepted: (bands, height, width) with the bands used"
        )
    check_size(shape[2], shape[1], settings)
    if shape[0] > 64:
        raise Refused("too-large", f"FITS cube of {shape[0]} planes")


def cube_to_image(cube: np.ndarray, settings: DecodeSettings) -> tuple[Image.Image, int]:
    """Turn a linear cube into colours as Lupton et al. (2004) do.

    Rows of a FITS image run from the bottom up; those of the result from the top down.

    Parameters
    ----------
    cube : ndarray, (bands, H, W)
        From `read_cube`.
    settings : DecodeSettings
        Bands, factors, stretch, and how many pixels may have no data.

    Returns
    -------
    image : PIL image
        8-bit RGB, W x H.
    bad : int
        Pixels that were replaced by the median of their band.

    Raises
    ------
    Refused
        More pixels have no data than are accepted.
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
