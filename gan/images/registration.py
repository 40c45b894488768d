"""Laying one image of a galaxy upon another: scale and shift between two surveys' cutouts.

Both cutouts are taken to have north up, so there is no rotation to find. The scale is given or searched for; at each
scale the shift is that of the highest cross-correlation, to 1/20 px (Guizar-Sicairos et al. 2008, Opt. Lett. 33, 156,
as in `skimage.registration.phase_cross_correlation`; amplitudes are not divided out, since beyond the seeing there is
noise only), and the scale with the highest correlation coefficient where the images overlap is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

SEARCH_SIDE = 212  # px to which images are reduced to search for the scale
COARSE, MIDDLE, FINE = 0.02, 0.005, 0.0025  # relative steps of the scale
ZOOMS = (0.6, 1.6)  # searched when no scale is given
GIVEN_WITHIN = 0.04  # a given scale is refined by at most this share
LEAST_OVERLAP = 0.3  # of the frame's side


@dataclass(frozen=True)
class Registration:
    """Where the target's pixels are in the input's frame.

    Pixel position t of the target (from its centre) is zoom * t + (dx, dy) of the input (from its centre).

    Attributes
    ----------
    zoom : float
        Pixels of the input that one pixel of the target spans.
    dx, dy : float
        Where the target's centre is, px of the input; y down.
    correlation : float
        Correlation coefficient of the smoothed images where they overlap, in [-1, 1].
    """

    zoom: float
    dx: float
    dy: float
    correlation: float

    def common(self, input_side: int, target_side: int) -> float:
        """Side of the largest square about the input's centre that both images cover, px of the input."""
        reach = self.zoom * target_side / 2
        half = min(input_side / 2, reach - abs(self.dx), reach - abs(self.dy))
        return max(0.0, 2 * half)


def register(input_image: Image.Image, target_image: Image.Image, *, zoom: float = math.nan) -> Registration:
    """Find the scale and shift that lay `target_image` upon `input_image`.

    Parameters
    ----------
    input_image, target_image : PIL image
        Square, RGB.
    zoom : float
        Scale, where it is known to a few per cent; NaN searches for it.
    """
    fixed, moving = input_image.convert("F"), target_image.convert("F")
    known = math.isfinite(zoom)
    low, high = (zoom * (1 - GIVEN_WITHIN), zoom * (1 + GIVEN_WITHIN)) if known else ZOOMS
    reduced = min(1.0, SEARCH_SIDE / fixed.width)
    small = fixed.resize((round(fixed.width * reduced),) * 2, Image.Resampling.BOX) if reduced < 1 else fixed
    factor = small.width / fixed.width
    found = _best(small, moving, _steps(low * factor, high * factor, COARSE), upsample=1)
    found = _best(small, moving, _steps(found.zoom * (1 - COARSE), found.zoom * (1 + COARSE), MIDDLE), upsample=1)
    around = found.zoom / factor
    return _best(fixed, moving, _steps(around * (1 - MIDDLE), around * (1 + MIDDLE), FINE), upsample=20)


def overlay(
    input_image: Image.Image, target_image: Image.Image, found: Registration, size: int, scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the square that both images cover, about the input's centre, and resample it to one grid.

    Each image is resampled once (Lanczos, which averages where it reduces).

    Parameters
    ----------
    input_image, target_image : PIL image
        Square, RGB.
    found : Registration
        From `register`.
    size : int
        Side of the input, px.
    scale : int
        Side of the target in units of `size`.

    Returns
    -------
    input, target : ndarray
        (size, size, 3) and (scale * size, scale * size, 3) uint8.
    """
    half = found.common(input_image.width, target_image.width) / 2
    centre, target_centre = input_image.width / 2, target_image.width / 2
    box = (centre - half, centre - half, centre + half, centre + half)
    corners = [(edge - shift) / found.zoom for edge in (-half, half) for shift in (found.dx, found.dy)]
    target_box = [min(max(target_centre + corner, 0.0), float(target_image.width)) for corner in corners]
    lanczos = Image.Resampling.LANCZOS
    return (
        np.asarray(input_image.resize((size, size), lanczos, box=box)),
        np.asarray(target_image.resize((scale * size, scale * size), lanczos, box=tuple(target_box))),  # type: ignore[arg-type]
    )


def _steps(low: float, high: float, step: float) -> list[float]:
    count = max(1, math.ceil(math.log(high / low) / step))
    return [low * (high / low) ** (i / count) for i in range(count + 1)]


def _best(fixed: Image.Image, moving: Image.Image, zooms: list[float], *, upsample: int) -> Registration:
    prepared = _features(np.asarray(fixed))
    return max((_at(zoom, prepared, moving, upsample) for zoom in zooms), key=lambda found: found.correlation)


def _at(zoom: float, prepared: np.ndarray, moving: Image.Image, upsample: int) -> Registration:
    """The best shift at one scale, to 1/upsample px, and how well the images then agree."""
    from scipy.ndimage import shift as shifted
    from scipy.signal.windows import tukey
    from skimage.registration import phase_cross_correlation

    side = len(prepared)
    covered = min(side, math.floor(moving.width * zoom))
    covered -= (side - covered) % 2  # so that both centres fall on the same place
    if covered < LEAST_OVERLAP * side:
        return Registration(zoom, 0.0, 0.0, -1.0)
    edges = ((moving.width - covered / zoom) / 2, (moving.width + covered / zoom) / 2)
    box = (max(edges[0], 0.0), max(edges[0], 0.0), min(edges[1], moving.width), min(edges[1], moving.width))
    image = _features(np.asarray(moving.resize((covered, covered), Image.Resampling.LANCZOS, box=box)))
    low = (side - covered) // 2
    high = low + covered
    frame = np.pad(image, low)
    dy, dx = phase_cross_correlation(prepared, frame, normalization=None)[0]
    rows, columns = (slice(max(0, low + round(d)), min(side, high + round(d))) for d in (dy, dx))
    if min(rows.stop - rows.start, columns.stop - columns.start) < LEAST_OVERLAP * side:
        return Registration(zoom, float(dx), float(dy), -1.0)
    upon = prepared[rows, columns]
    moved = np.roll(frame, (round(dy), round(dx)), (0, 1))[rows, columns]
    if upsample > 1:  # once more where both are, without the edges, which pull at the peak
        window = np.outer(tukey(upon.shape[0], 0.3), tukey(upon.shape[1], 0.3))
        tapered = [(part - part.mean()) * window for part in (upon, moved)]
        rest = phase_cross_correlation(*tapered, upsample_factor=upsample, normalization=None)[0]
        if np.abs(rest).max() < 3:
            moved, dy, dx = shifted(moved, rest, order=3, mode="nearest"), dy + rest[0], dx + rest[1]
    agreement = float(np.corrcoef(moved.ravel(), upon.ravel())[0, 1])
    return Registration(zoom, float(dx), float(dy), agreement if math.isfinite(agreement) else -1.0)


def _features(grey: np.ndarray) -> np.ndarray:
    """Sources, with the noise smoothed and bright cores no more than faint companions several times over."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(grey.astype(np.float32), 1.2)
    smooth -= np.median(smooth)
    noise = 1.4826 * float(np.median(np.abs(smooth))) or 0.5
    return np.arcsinh(np.maximum(smooth / (3 * noise), 0))
