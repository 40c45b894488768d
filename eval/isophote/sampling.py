"""Intensities along a walk: their mean, variance and first two harmonics.

A walk that lies on the frame is sampled in vector registers, without a dependency from point to point; one that
leaves it point by point, with normal equations of the points that are left.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from eval.isophote.path import COS, COUNT, REACH, SAMPLED, SIN, X, Y, factorise, normal_matrix

_jit = nb.njit(cache=True, nogil=True, error_model="numpy")
_jit_sums = nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


class Geometry(NamedTuple):
    """An ellipse's centre, shape and angle, and the ellipse on which its walk has its first point."""

    x0: float
    y0: float
    eps: float
    pa: float
    start_sma: float
    start_eps: float


class Frame(NamedTuple):
    """The frame's pixels in one row, and its width."""

    pixels: np.ndarray
    width: int


class Scratch(NamedTuple):
    """Room for a normal matrix and its right side, and for what the gradient along an ellipse keeps."""

    matrix: np.ndarray
    b: np.ndarray
    differences: np.ndarray


class Sample(NamedTuple):
    """What the fit needs to know of the intensities along a path."""

    total: int
    used: int
    mean: float
    variance: float
    scatter: float
    sin1: float
    cos1: float
    sin2: float
    cos2: float


@_jit
def _substitute(factor, b):
    """Solve the normal equations in place, given their Cholesky factor."""
    for i in range(5):
        for k in range(i):
            b[i] -= factor[i, k] * b[k]
        b[i] /= factor[i, i]
    for i in range(4, -1, -1):
        for k in range(i + 1, 5):
            b[i] -= factor[k, i] * b[k]
        b[i] /= factor[i, i]


@_jit_sums
def _sums_inside(pixels, width, points, count, x0, y0, cp, sp, shift):
    """Sums along a walk that lies on the frame, harmonics included."""
    i0 = i2 = a1 = b1 = a2 = b2 = 0.0
    for k in range(count):
        ex, ey, c, s = points[X, k], points[Y, k], points[COS, k], points[SIN, k]
        x = x0 + (ex * cp - ey * sp)
        y = y0 + (ex * sp + ey * cp)
        i, j = np.int32(x), np.int32(y)
        fx, fy = x - i, y - j
        at = np.uint32(j * np.int32(width) + i)
        p, r = np.float64(pixels[at]), np.float64(pixels[at + np.uint32(width)])
        top = p + fx * (np.float64(pixels[at + np.uint32(1)]) - p)
        bottom = r + fx * (np.float64(pixels[at + np.uint32(width + 1)]) - r)
        v = top + fy * (bottom - top) - shift
        i0 += v
        i2 += v * v
        a1 += v * s
        b1 += v * c
        a2 += v * (2.0 * s * c)
        b2 += v * (c * c - s * s)
    return i0, i2, a1, b1, a2, b2


@_jit_sums
def _moments_inside(pixels, width, points, count, x0, y0, cp, sp, shift):
    """Sums along a walk that lies on the frame, without harmonics."""
    i0 = i2 = 0.0
    for k in range(count):
        ex, ey = points[X, k], points[Y, k]
        x = x0 + (ex * cp - ey * sp)
        y = y0 + (ex * sp + ey * cp)
        i, j = np.int32(x), np.int32(y)
        fx, fy = x - i, y - j
        at = np.uint32(j * np.int32(width) + i)
        p, r = np.float64(pixels[at]), np.float64(pixels[at + np.uint32(width)])
        top = p + fx * (np.float64(pixels[at + np.uint32(1)]) - p)
        bottom = r + fx * (np.float64(pixels[at + np.uint32(width + 1)]) - r)
        v = top + fy * (bottom - top) - shift
        i0 += v
        i2 += v * v
    return i0, i2


@_jit
def _sums_clipped(pixels, width, points, count, x0, y0, cp, sp, shift, matrix):
    """Sums along a walk that leaves the frame; `matrix` takes the normal matrix of what is on it."""
    i0 = i2 = a1 = b1 = a2 = b2 = 0.0
    s1 = s2 = s3 = s4 = c1 = c2 = c3 = c4 = 0.0
    used = 0
    edge = width - 1.0
    for k in range(count):
        ex, ey, c, s = points[X, k], points[Y, k], points[COS, k], points[SIN, k]
        x = x0 + (ex * cp - ey * sp)
        y = y0 + (ex * sp + ey * cp)
        if not (-1.0 < x < edge and -1.0 < y < edge):
            continue
        used += 1
        i, j = np.int64(x), np.int64(y)
        fx, fy = x - i, y - j
        at = j * width + i
        p, r = np.float64(pixels[at]), np.float64(pixels[at + width])
        top = p + fx * (np.float64(pixels[at + 1]) - p)
        bottom = r + fx * (np.float64(pixels[at + width + 1]) - r)
        v = top + fy * (bottom - top) - shift
        cc, ss = c * c - s * s, 2.0 * s * c
        i0 += v
        i2 += v * v
        a1 += v * s
        b1 += v * c
        a2 += v * ss
        b2 += v * cc
        s1 += s
        c1 += c
        s2 += ss
        c2 += cc
        s3 += s * cc + c * ss
        c3 += c * cc - s * ss
        s4 += 2.0 * ss * cc
        c4 += cc * cc - ss * ss
    normal_matrix(matrix, used, s1, s2, s3, s4, c1, c2, c3, c4)
    return used, i0, i2, a1, b1, a2, b2


@_jit
def sample_walk(frame, walk, geometry, shift, harmonics, scratch):
    """Sample the frame along a kept walk.

    `shift` is a level near the mean, taken off so that sums of squares keep their digits.
    """
    pixels, width, matrix, b = frame.pixels, frame.width, scratch.matrix, scratch.b
    count = np.int64(walk.head[COUNT])
    reach = walk.head[REACH]
    walk.head[SAMPLED] += count
    x0, y0 = geometry.x0, geometry.y0
    cp, sp = np.cos(geometry.pa), np.sin(geometry.pa)
    inside = min(x0, y0) - reach > 1e-6 and max(x0, y0) + reach < width - 1.0 - 1e-6
    if inside and not harmonics:
        i0, i2 = _moments_inside(pixels, width, walk.points, count, x0, y0, cp, sp, shift)
        mean = i0 / count
        variance = max(i2 / count - mean * mean, 0.0)
        return Sample(count, count, mean + shift, variance, np.nan, np.nan, np.nan, np.nan, np.nan)
    if inside:
        used = count
        i0, i2, a1, b1, a2, b2 = _sums_inside(pixels, width, walk.points, count, x0, y0, cp, sp, shift)
        factor, solvable = walk.factor, count >= 5 and walk.factor[0, 0] > 0.0
    else:
        used, i0, i2, a1, b1, a2, b2 = _sums_clipped(pixels, width, walk.points, count, x0, y0, cp, sp, shift, matrix)
        factor, solvable = matrix, used >= 5 and factorise(matrix)
    if used == 0:
        return Sample(count, 0, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    mean = i0 / used
    variance = max(i2 / used - mean * mean, 0.0)
    scatter = np.nan
    if harmonics and solvable:
        b[0], b[1], b[2], b[3], b[4] = i0, a1, b1, a2, b2
        _substitute(factor, b)
        explained = b[0] * i0 + b[1] * a1 + b[2] * b1 + b[3] * a2 + b[4] * b2
        scatter = np.sqrt(max(i2 - explained, 0.0) / used)
    return Sample(count, used, mean + shift, variance, scatter, b[1], b[2], b[3], b[4])
