"""Compiled isophote fit: Jedrzejewski (1987, MNRAS 226, 747) as photutils 3 carries it out.

An ellipse of fixed semi-major axis is sampled on the frame; the first two harmonics of the
intensity along it say which of its four parameters is most wrong, the radial gradient says by how
much; the parameter is corrected and the ellipse sampled again until the largest harmonic drowns in
the residuals. The next ellipse, a step larger, starts from the one before. Growth ends when two
ellipses running diverge, or when too much of one lies off the frame.

Where the time of photutils goes, and what is done about it here:

- A path is a walk in polar angle, phi += 1 / r(phi), which depends on the semi-major axis and the
  ellipticity only. It is kept, with its normal equations, until the ellipticity changes: two
  corrections in three move the centre or turn the axis and walk nothing.
- The two walks that a correction needs (the ellipse, and the larger one for the gradient) run side
  by side, and advance sine and cosine by rotation instead of evaluating them.
- Sampling a kept walk is a loop without a dependency from point to point.
- photutils samples the finished ellipse again, and once more after taking over the geometry of its
  neighbour; nothing of that is ever used, and it is left out.

What is kept of photutils though it looks odd, because verdicts hang on it: an ellipse that inherits
its geometry starts its walk at the angle and radius of the ellipse it inherits from; a sample taken
at negative ellipticity is used although the geometry is turned over afterwards; a gradient is
estimated twice, the second time against the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

from eval.isophote_walk import COS, COUNT, REACH, SIN, SUMS, X, Y, start, trace

OK, FAILED, RAN_AWAY, TOO_FEW_POINTS, TOO_MANY_ISOPHOTES = 0, 1, 2, 3, 4
"""Outcomes of `fit_frame`."""

MAX_EPS, MIN_EPS = 0.95, 0.05
SECTOR_AREA = 2.0
MAX_ISOPHOTES = 400

_jit = nb.njit(cache=True, nogil=True, error_model="numpy")
_jit_sums = nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


class Limits(NamedTuple):
    """The settings that the fit needs, in compiled form."""

    sma0: float
    step: float
    eps0: float
    pa0: float
    convergence: float
    min_iterations: int
    max_iterations: int
    valid_fraction: float
    max_gradient_error: float


class Geometry(NamedTuple):
    """An ellipse's centre, shape and angle, and where its walk starts."""

    x0: float
    y0: float
    eps: float
    pa: float
    phi0: float
    r0: float


class Sample(NamedTuple):
    """What the fit needs to know of the intensities along a path."""

    total: int
    count: int
    mean: float
    variance: float
    scatter: float
    sin1: float
    cos1: float
    sin2: float
    cos2: float


@_jit
def _normal_matrix(count, t, matrix):
    """Fill the 5 x 5 normal matrix of 1, sin, cos, sin 2, cos 2 from the sums of `_trigonometric_sums`."""
    s1, s2, s3, s4, c1, c2, c3, c4 = t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]
    matrix[0, 0] = count
    matrix[1, 0], matrix[1, 1] = s1, 0.5 * (count - c2)
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = c1, 0.5 * s2, 0.5 * (count + c2)
    matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3] = s2, 0.5 * (c1 - c3), 0.5 * (s1 + s3), 0.5 * (count - c4)
    matrix[4, 0], matrix[4, 1], matrix[4, 2] = c2, 0.5 * (s3 - s1), 0.5 * (c1 + c3)
    matrix[4, 3], matrix[4, 4] = 0.5 * s4, 0.5 * (count + c4)


@_jit
def _solve(matrix, b):
    """Solve a symmetric positive 5 x 5 system in place (Cholesky on the lower triangle). False if singular."""
    for j in range(5):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] * matrix[j, k]
        if not matrix[j, j] > 0.0:
            return False
        matrix[j, j] = np.sqrt(matrix[j, j])
        for i in range(j + 1, 5):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for i in range(5):
        for k in range(i):
            b[i] -= matrix[i, k] * b[k]
        b[i] /= matrix[i, i]
    for i in range(4, -1, -1):
        for k in range(i + 1, 5):
            b[i] -= matrix[k, i] * b[k]
        b[i] /= matrix[i, i]
    return True


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
def _sums_clipped(pixels, width, points, count, x0, y0, cp, sp, shift, t):
    """Sums along a walk that leaves the frame; `t` takes the trigonometric sums of what is on it."""
    i0 = i2 = a1 = b1 = a2 = b2 = 0.0
    t[:] = 0.0
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
        t[0] += s
        t[1] += ss
        t[2] += s * cc + c * ss
        t[3] += 2.0 * ss * cc
        t[4] += c
        t[5] += cc
        t[6] += c * cc - s * ss
        t[7] += cc * cc - ss * ss
    return used, i0, i2, a1, b1, a2, b2


@_jit
def _sample(frame, walk, geometry, shift, harmonics, matrix, b, t):
    """Sample the frame along a kept walk."""
    width = frame.shape[1]
    pixels = frame.ravel()
    count = np.int64(walk.head[COUNT])
    reach = walk.head[REACH]
    x0, y0 = geometry.x0, geometry.y0
    cp, sp = np.cos(geometry.pa), np.sin(geometry.pa)
    used = count
    a1 = b1 = a2 = b2 = 0.0
    inside = min(x0, y0) - reach > 1e-6 and max(x0, y0) + reach < width - 1.0 - 1e-6
    if inside and harmonics:
        i0, i2, a1, b1, a2, b2 = _sums_inside(pixels, width, walk.points, count, x0, y0, cp, sp, shift)
        t[:] = walk.head[SUMS : SUMS + 8]
    elif inside:
        i0, i2 = _moments_inside(pixels, width, walk.points, count, x0, y0, cp, sp, shift)
    else:
        used, i0, i2, a1, b1, a2, b2 = _sums_clipped(pixels, width, walk.points, count, x0, y0, cp, sp, shift, t)
    if used == 0:
        return Sample(count, 0, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)
    mean = i0 / used
    variance = max(i2 / used - mean * mean, 0.0)
    scatter = np.nan
    if harmonics and used >= 5:
        _normal_matrix(used, t, matrix)
        b[0], b[1], b[2], b[3], b[4] = i0, a1, b1, a2, b2
        if _solve(matrix, b):
            explained = b[0] * i0 + b[1] * a1 + b[2] * b1 + b[3] * a2 + b[4] * b2
            scatter = np.sqrt(max(i2 - explained, 0.0) / used)
    return Sample(count, used, mean + shift, variance, scatter, b[1], b[2], b[3], b[4])


@_jit
def _moved(sma, step, x0, y0, eps, pa):
    """An ellipse that starts its walk where its own shape says."""
    phi0, r0 = start(sma, eps, step)
    return Geometry(x0, y0, eps, pa, phi0, r0)


@_jit
def _correct(sma, step, old, which, harmonic, gradient):
    """Correct the parameter that the largest harmonic points at (Jedrzejewski 1987, eqs. 5 to 8)."""
    x0, y0, eps, pa = old.x0, old.y0, old.eps, old.pa
    q = 1.0 - eps
    if which == 0:
        shift = -harmonic * q / gradient
        x0, y0 = x0 - shift * np.sin(pa), y0 + shift * np.cos(pa)
    elif which == 1:
        shift = -harmonic / gradient
        x0, y0 = x0 + shift * np.cos(pa), y0 + shift * np.sin(pa)
    elif which == 2:
        pa = (pa + harmonic * 2.0 * q / sma / gradient / (q * q - 1.0)) % np.pi
    else:
        eps = min(eps - harmonic * 2.0 * q / sma / gradient, MAX_EPS)
    return _moved(sma, step, x0, y0, eps, pa)


@_jit
def _difference(frame, walk, table, index, sma, step, distance, geometry, sample, scratch):
    """Radial gradient and its error from the ellipse `distance` (relative) further out.

    The third value is False when that ellipse has run away.
    """
    outer = (1.0 + distance) * sma
    moved = _moved(outer, step, geometry.x0, geometry.y0, geometry.eps, geometry.pa)
    if not trace(walk, table, index, step, outer, moved.eps, moved.phi0, moved.r0, False):
        return np.nan, np.nan, False
    there = _sample(frame, walk, moved, sample.mean, False, scratch[0], scratch[1], scratch[2])
    gradient = (there.mean - sample.mean) / sma / distance
    error = np.sqrt(sample.variance / sample.count + there.variance / there.count) / sma / distance
    return gradient, error, True


@_jit
def _gradient(frame, walks, table, index, sma, step, geometry, sample, previous, kept, scratch):
    """Gradient along an ellipse, compared with a previous estimate (0 for none).

    A gradient shallower than a third of the previous one is taken again over twice the distance;
    if it stays so, four fifths of the previous one stand in for it, without an error (NaN).
    `kept` holds the two differences so that the second look at a sample costs nothing.
    """
    if kept[0] == 0.0:
        kept[1], kept[2], sound = _difference(
            frame, walks[1], table, index + 1, sma, step, step, geometry, sample, scratch
        )
        kept[0], kept[3] = 1.0, 0.0
        if not sound:
            return np.nan, np.nan, False
    gradient, error = kept[1], kept[2]
    if previous == 0.0:
        previous = gradient + error
    if gradient >= previous / 3.0:
        if kept[3] == 0.0:
            kept[4], kept[5], sound = _difference(
                frame, walks[2], table, -1, sma, step, 2.0 * step, geometry, sample, scratch
            )
            kept[3] = 1.0
            if not sound:
                return np.nan, np.nan, False
        gradient, error = kept[4], kept[5]
    if gradient >= previous / 3.0:
        gradient, error = previous * 0.8, np.nan
    return gradient, error, True


@_jit
def _fit_isophote(frame, walks, table, index, limits, sma, geometry, min_iterations, kept, scratch):
    """Fit one ellipse. Returns its stop code (-1 diverged, 3 too few points, -9 ran away) and geometry."""
    step = limits.step
    best, best_geometry = np.inf, geometry
    exceeded = False
    gradient = 0.0
    amplitudes = np.empty(4)
    kept[0] = 0.0
    if not trace(walks[0], table, index, step, sma, geometry.eps, geometry.phi0, geometry.r0, True):
        return -9, geometry
    sample = _sample(frame, walks[0], geometry, frame[np.int64(geometry.y0), np.int64(geometry.x0)], True, *scratch)
    for iteration in range(limits.max_iterations):
        gradient, error, sound = _gradient(
            frame, walks, table, index, sma, step, geometry, sample, gradient, kept, scratch
        )
        if not sound:
            return -9, geometry
        if not np.isfinite(sample.scatter):
            return 3, geometry
        amplitudes[0], amplitudes[1], amplitudes[2], amplitudes[3] = sample.sin1, sample.cos1, sample.sin2, sample.cos2
        which = np.argmax(np.abs(amplitudes))
        largest = amplitudes[which]
        if abs(largest) < best:
            best, best_geometry = abs(largest), geometry
        settled = limits.convergence * SECTOR_AREA * sample.scatter > abs(largest)
        if settled and iteration >= min_iterations - 1:
            return 0, geometry
        if sample.count < sample.total * limits.valid_fraction:
            return 1, best_geometry

        geometry = _correct(sma, step, geometry, which, largest, gradient)
        if not np.isfinite(geometry.x0 + geometry.y0 + geometry.eps + geometry.pa):
            return -9, geometry
        width = frame.shape[1]
        if min(geometry.x0, geometry.y0) < 1.0 or max(geometry.x0, geometry.y0) > width:
            return -1, geometry
        if not trace(walks[0], table, index, step, sma, geometry.eps, geometry.phi0, geometry.r0, True):
            return -9, geometry
        sample = _sample(frame, walks[0], geometry, sample.mean, True, *scratch)
        kept[0] = 0.0
        gradient, error, sound = _gradient(frame, walks, table, index, sma, step, geometry, sample, 0.0, kept, scratch)
        if not sound:
            return -9, geometry
        if not (gradient < 0.0 and error > 0.0):
            return -1, geometry
        if error / abs(gradient) > limits.max_gradient_error:
            if exceeded:
                return -1, geometry
            exceeded = True
        if geometry.eps <= 0.0:
            geometry = _turned(geometry)
            kept[0] = 0.0
    return 2, best_geometry


@_jit
def _turned(old):
    """The same ellipse with its axes exchanged when its ellipticity fell below 0, never quite round."""
    eps, pa = old.eps, old.pa
    if eps < 0.0:
        eps = min(-eps, MAX_EPS)
        pa = pa + np.pi / 2.0 if pa < np.pi / 2.0 else pa - np.pi / 2.0
    if eps == 0.0:
        eps = MIN_EPS
    return Geometry(old.x0, old.y0, eps, pa, old.phi0, old.r0)


@_jit
def fit_frame(frame, walks, table, limits, result):
    """Fit ellipses outwards from the centre of a frame.

    Parameters
    ----------
    frame : (S, S) float32 array
    walks : tuple of Walk
        From `isophote_walk.make_walks(S)`; one set per thread.
    table : Table
        From `isophote_walk.starts_table`, for the same S, first semi-major axis and step.
    limits : Limits
    result : (12,) float64 array
        Filled with the stop code of the outermost isophote, the number of isophotes, then sma, eps,
        pa, x0, y0 of the outermost one, and the same of the last that converged (NaN for none).

    Returns
    -------
    int
        OK, FAILED, RAN_AWAY, TOO_FEW_POINTS or TOO_MANY_ISOPHOTES.
    """
    kept = np.zeros(6)
    scratch = (np.zeros((5, 5)), np.zeros(5), np.zeros(8))
    for walk in walks:
        walk.head[COUNT] = 0.0
    result[:] = np.nan
    center = (frame.shape[0] - 1) / 2.0
    sma = limits.sma0
    geometry = _moved(sma, limits.step, center, center, limits.eps0, limits.pa0)
    before, code = geometry, 0
    for count in range(1, MAX_ISOPHOTES + 1):
        least = limits.min_iterations * (2 if count == 1 else 1)
        code_before = code
        code, geometry = _fit_isophote(frame, walks, table, count - 1, limits, sma, geometry, least, kept, scratch)
        if code == -9:
            return RAN_AWAY
        if code == 3:
            return TOO_FEW_POINTS
        ended = False
        if code < 0 or code == 1:
            if count == 1:
                return FAILED
            geometry = Geometry(before.x0, before.y0, before.eps, before.pa, geometry.phi0, geometry.r0)
            code = 5 if code < 0 else code
            ended = count > 2 and (code == 1 or code_before == 5)
        before = geometry
        result[0], result[1] = code, count
        result[2], result[3], result[4] = sma, geometry.eps, geometry.pa
        result[5], result[6] = geometry.x0, geometry.y0
        if code == 0:
            result[7:12] = result[2:7]
        if ended:
            return OK
        sma = sma * (1.0 + limits.step)
    return TOO_MANY_ISOPHOTES
