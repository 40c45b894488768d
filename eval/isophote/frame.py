"""Compiled pixel work around the fit: mean grey, bicubic frame, flux inside an ellipse.

The frame is the one that Pillow makes from a floating-point image (`Image.resize` in mode F with
`BICUBIC`): rows first, then columns, each summed in double precision and kept in single precision.
"""

from __future__ import annotations

from functools import lru_cache

import numba as nb
import numpy as np

from eval.isophote.path import bare

KEYS_A = -0.5
"""Free parameter of the cubic kernel (Keys 1981, IEEE Trans. ASSP 29, 1153)."""

USABLE, NOT_FINITE, TOO_LARGE, CONSTANT = 0, 1, 2, 3


def cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel (1981, eq. 15) at distances in source pixels."""
    t = np.abs(distance)
    near = ((KEYS_A + 2.0) * t - (KEYS_A + 3.0)) * t * t + 1.0
    far = ((t - 5.0) * t + 8.0) * t * KEYS_A - 4.0 * KEYS_A
    return np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))


@lru_cache(maxsize=32)
def resampling(source: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the taps that resample `source` pixels to `size` pixels along one axis.

    Returns
    -------
    first : (size,) int64 array
        First source pixel of each output pixel.
    weights : (size, taps) float64 array
        Weights of the source pixels from there on; they sum to 1. At the edges the kernel is cut
        off and normalised again; when shrinking it is widened by the scale.
    cumulative : (size + 1, source) float64 array
        Row i holds what the first i output pixels take of each source pixel.
    """
    scale = source / size
    stretch = max(scale, 1.0)
    support = 2.0 * stretch
    centers = (np.arange(size) + 0.5) * scale
    low = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    high = np.minimum((centers + support + 0.5).astype(np.int64), source)
    taps = int((high - low).max())
    first = np.minimum(low, source - taps)
    pixels = first[:, np.newaxis] + np.arange(taps)
    weights = cubic((pixels - centers[:, np.newaxis] + 0.5) / stretch)
    weights[(pixels < low[:, np.newaxis]) | (pixels >= high[:, np.newaxis])] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    cumulative = np.zeros((size + 1, source))
    np.put_along_axis(cumulative[1:], pixels, weights, axis=1)
    cumulative = np.cumsum(cumulative, axis=0)
    for array in (first, weights, cumulative):
        array.setflags(write=False)
    return first, weights, cumulative


@nb.njit(cache=True, nogil=True, error_model="numpy")
def grey_of(image, largest, turned):
    """Fill `turned` (W, H) float32 with the mean of an (H, W, C) image's bands; say if it can be used.

    It is turned over its diagonal, so that both passes of `resample` run along contiguous pixels.
    """
    height, width, channels = image.shape
    low, high = np.inf, -np.inf
    sound = True
    for j in range(height):
        for i in range(width):
            total = 0.0
            for band in range(channels):
                value = np.float64(image[j, i, band])
                if not abs(value) <= largest:
                    if not np.isfinite(value):
                        return NOT_FINITE
                    sound = False
                total += value
            mean = np.float32(total / channels)
            turned[i, j] = mean
            low = min(low, mean)
            high = max(high, mean)
    if not sound:
        return TOO_LARGE
    return CONSTANT if low == high else USABLE


@nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def resample(turned, first, weights, columns, rows, frame):
    """Fill `frame` (S, S) float32 from what `grey_of` made, by way of `columns` (S, H) and `rows` (H, S) float32."""
    source, size = rows.shape
    _combine(bare(turned), bare(first), bare(weights), bare(columns))
    for j in range(source):
        for i in range(size):
            rows[j, i] = columns[i, j]
    _combine(bare(rows), bare(first), bare(weights), bare(frame))


@nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _combine(rows, first, weights, out):
    """Fill every row of `out` with its weighted sum of successive rows, in double precision."""
    taps = weights.shape[1]
    for j in range(out.shape[0]):
        start, line = first[j], out[j]
        if taps == 4:
            a, b, c, d = rows[start], rows[start + 1], rows[start + 2], rows[start + 3]
            wa, wb, wc, wd = weights[j, 0], weights[j, 1], weights[j, 2], weights[j, 3]
            for i in range(len(line)):
                total = np.float64(a[i]) * wa + np.float64(b[i]) * wb
                line[i] = np.float32(total + np.float64(c[i]) * wc + np.float64(d[i]) * wd)
        else:
            for i in range(len(line)):
                total = 0.0
                for tap in range(taps):
                    total += np.float64(rows[start + tap, i]) * weights[j, tap]
                line[i] = np.float32(total)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _span(dy, width, x0, sma, eps, pa):
    """First and last column inside the ellipse on the row `dy` below its centre."""
    q2 = (1.0 - eps) ** 2
    c, s = np.cos(pa), np.sin(pa)
    square = q2 * c * c + s * s
    cross = (q2 - 1.0) * s * c * dy
    root = cross * cross - square * ((q2 * s * s + c * c) * dy * dy - sma * sma * q2)
    if not root >= 0.0:
        return 0, -1
    root = np.sqrt(root)
    low = max(0.0, np.ceil(x0 + (-cross - root) / square))
    high = min(width - 1.0, np.floor(x0 + (-cross + root) / square))
    return np.int64(low), np.int64(high)


@nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def flux_inside(frame, x0, y0, sma, eps, pa):
    """Sum of the frame's pixels whose centres lie inside an ellipse."""
    height, width = frame.shape
    total = 0.0
    for j in range(max(0, int(y0 - sma) - 1), min(height, int(y0 + sma) + 2)):
        low, high = _span(j - y0, width, x0, sma, eps, pa)
        row = frame[j]
        part = 0.0
        for i in range(low, high + 1):
            part += np.float64(row[i])
        total += part
    return total


@nb.njit(cache=True, nogil=True, error_model="numpy")
def band_fluxes(image, first, weights, cumulative, x0, y0, sma, eps, pa, bands):
    """Fill `bands` with what `flux_inside` would give for the frame of each band.

    Resampling is linear, so the mask is brought to the image (its adjoint) instead of every band
    to the frame.
    """
    source = image.shape[0]
    size, taps = weights.shape
    share = np.zeros((source, source))
    for j in range(max(0, int(y0 - sma) - 1), min(size, int(y0 + sma) + 2)):
        low, high = _span(j - y0, size, x0, sma, eps, pa)
        if high >= low:
            for tap in range(taps):
                for i in range(source):
                    share[first[j] + tap, i] += weights[j, tap] * (cumulative[high + 1, i] - cumulative[low, i])
    bands[:] = 0.0
    for j in range(source):
        for i in range(source):
            for band in range(len(bands)):
                bands[band] += share[j, i] * np.float64(image[j, i, band])
