"""How near one image is to another, pixel by pixel: PSNR, SSIM, aperture flux.

SSIM is scikit-image's, a light library that needs no tensor framework, so that judging runs where torch does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

WHITE = 255.0
PSNR_LIMIT = 100.0
"""dB that an identical image counts as in a mean; rounding to 8 bits alone gives 59 dB."""


def psnr(image: np.ndarray, target: np.ndarray) -> float:
    """Peak signal-to-noise ratio, 10 log10(255^2 / mean square difference), dB; infinite for identical images.

    Parameters
    ----------
    image, target : ndarray
        Same shape, grey levels of 0 to 255.
    """
    square = float(np.mean(np.square(image.astype(np.float64) - target.astype(np.float64))))
    return math.inf if square == 0 else 10 * math.log10(WHITE**2 / square)


def ssim(image: np.ndarray, target: np.ndarray) -> float:
    """Mean structural similarity of the bands, at most 1, which identical images have.

    Gaussian weights of 1.5 px, K1 = 0.01, K2 = 0.03, peak 255 (Wang et al. 2004, IEEE Trans. Image Process. 13, 600).

    Parameters
    ----------
    image, target : ndarray
        (H, W, C), same shape, grey levels; H and W at least 11.
    """
    from skimage.metrics import structural_similarity

    settings: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    settings |= {"data_range": WHITE, "channel_axis": 2}
    return float(structural_similarity(image, target, **settings))  # type: ignore[no-untyped-call]


def aperture_flux(image: np.ndarray, radius: float) -> float:
    """Light above the sky in a circle about the image's centre, grey levels summed; bands are averaged.

    The sky is the median of the frame outside 1.5 radii, or of its outermost pixels where the circle fills it.

    Parameters
    ----------
    image : ndarray
        (H, W, C), grey levels.
    radius : float
        px.
    """
    from photutils.aperture import CircularAperture

    grey = image.mean(axis=2, dtype=np.float64)
    centre = (np.array(grey.shape) - 1) / 2
    rows, columns = np.indices(grey.shape)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    outside = distance > min(1.5 * radius, np.quantile(distance, 0.9))
    sky = float(np.median(grey[outside]))
    sums, _ = CircularAperture((centre[1], centre[0]), radius).do_photometry(grey - sky)
    return float(sums[0])


def enlarge(images: np.ndarray, side: int) -> np.ndarray:
    """Images at `side` px by bicubic interpolation, (N, side, side, C) of their own type; themselves at that size."""
    if images.shape[1] == side:
        return images
    from PIL import Image

    def resized(plane: np.ndarray) -> np.ndarray:
        whole = Image.fromarray(np.ascontiguousarray(plane, np.float32))
        return np.asarray(whole.resize((side, side), Image.Resampling.BICUBIC))

    out = np.empty((len(images), side, side, images.shape[3]), images.dtype)
    for i, image in enumerate(images):
        planes = np.stack([resized(image[..., band]) for band in range(image.shape[2])], axis=-1)
        out[i] = np.rint(np.clip(planes, 0, 255)) if images.dtype == np.uint8 else planes
    return out
