"""Compiled isophote fit: Jedrzejewski (1987, MNRAS 226, 747) as photutils 3 carries it out.

An ellipse of fixed semi-major axis is sampled on the frame; the first two harmonics of the
intensity along it say which of its four parameters is most wrong, the radial gradient says by how
much; the parameter is corrected and the ellipse sampled again until the largest harmonic drowns in
the residuals. The next ellipse, a step larger, starts from the one before. Growth ends when two
ellipses running diverge, or when too much of one lies off the frame.

Where the time of photutils goes, and what is done about it here:

- A path is a walk in polar angle, phi += 1 / r(phi), which depends on the semi-major axis and the
  ellipticity only. It is kept, with its normal equations, until the ellipticity changes: corrections
  that move the centre or turn the axis walk nothing. `eval.isophote.path` says how it is walked.
- Sampling a kept walk is a loop in vector registers (`eval.isophote.sampling`).
- Arrays travel without owners: counting references to them is dear in small functions.
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

from eval.isophote.path import Table, bare, make_walk, trace
from eval.isophote.sampling import Frame, Geometry, Scratch, sample_walk

OK, FAILED, RAN_AWAY, TOO_FEW_POINTS, TOO_MANY_ISOPHOTES = 0, 1, 2, 3, 4
"""Outcomes of `fit_frame`."""

MAX_EPS, MIN_EPS = 0.95, 0.05
SECTOR_AREA = 2.0
MAX_ISOPHOTES = 400
RUNAWAY = -9

_jit = nb.njit(cache=True, nogil=True, error_model="numpy")
_jit_inline = nb.njit(cache=True, nogil=True, error_model="numpy", inline="always")
"""For parts of a function that would be slower if they were called."""


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


class Place(NamedTuple):
    """Which ellipse is being fitted: its semi-major axis and that one's place on the lattice."""

    table: Table
    lattice: int
    step: float
    sma: float


@_jit
def _correct(sma, old, which, harmonic, gradient):
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
    return Geometry(x0, y0, eps, pa, sma, eps)


@_jit
def _turned(old):
    """The same ellipse with its axes exchanged when its ellipticity fell below 0, never quite round."""
    eps, pa = old.eps, old.pa
    if eps < 0.0:
        eps = min(-eps, MAX_EPS)
        pa = pa + np.pi / 2.0 if pa < np.pi / 2.0 else pa - np.pi / 2.0
    if eps == 0.0:
        eps = MIN_EPS
    return Geometry(old.x0, old.y0, eps, pa, old.start_sma, old.start_eps)


@_jit_inline
def _largest_harmonic(sample):
    """The harmonic of the largest amplitude, and its number: sin, cos, sin 2, cos 2."""
    largest, which = sample.sin1, 0
    if abs(sample.cos1) > abs(largest):
        largest, which = sample.cos1, 1
    if abs(sample.sin2) > abs(largest):
        largest, which = sample.sin2, 2
    if abs(sample.cos2) > abs(largest):
        largest, which = sample.cos2, 3
    return largest, which


@_jit
def _difference(frame, walk, at, distance, geometry, sample, scratch):
    """Radial gradient and its error from the ellipse `distance` (relative) further out.

    The third value is False when that ellipse has run away.
    """
    outer = (1.0 + distance) * at.sma
    index = at.lattice + 1 if distance == at.step else -1
    eps = geometry.eps
    if not trace(walk, at.table, index, at.step, outer, eps, outer, eps, False):
        return np.nan, np.nan, False
    there = sample_walk(frame, walk, geometry, sample.mean, False, scratch)
    gradient = (there.mean - sample.mean) / at.sma / distance
    error = np.sqrt(sample.variance / sample.used + there.variance / there.used) / at.sma / distance
    return gradient, error, True


@_jit
def _gradient(frame, walks, at, geometry, sample, previous, scratch):
    """Gradient along an ellipse, compared with a previous estimate (0 for none).

    A gradient shallower than a third of the previous one is taken again over twice the distance;
    if it stays so, four fifths of the previous one stand in for it, without an error (NaN). The two
    differences are kept, so that the second look at a sample costs nothing.
    """
    kept = scratch.differences
    if kept[0] == 0.0:
        kept[1], kept[2], sound = _difference(frame, walks[1], at, at.step, geometry, sample, scratch)
        kept[0], kept[3] = 1.0, 0.0
        if not sound:
            return np.nan, np.nan, False
    gradient, error = kept[1], kept[2]
    if previous == 0.0:
        previous = gradient + error
    if gradient >= previous / 3.0:
        if kept[3] == 0.0:
            kept[4], kept[5], sound = _difference(frame, walks[2], at, 2.0 * at.step, geometry, sample, scratch)
            kept[3] = 1.0
            if not sound:
                return np.nan, np.nan, False
        gradient, error = kept[4], kept[5]
    if gradient >= previous / 3.0:
        gradient, error = previous * 0.8, np.nan
    return gradient, error, True


@_jit_inline
def _corrected(frame, walks, at, geometry, sample, gradient, scratch):
    """Correct an ellipse by its largest harmonic and sample it again.

    Returns a code (0 sound, -1 diverged, -9 ran away), the geometry, its sample, and the gradient with its error.
    """
    largest, which = _largest_harmonic(sample)
    geometry = _correct(at.sma, geometry, which, largest, gradient)
    if not np.isfinite(geometry.x0 + geometry.y0 + geometry.eps + geometry.pa):
        return RUNAWAY, geometry, sample, np.nan, np.nan
    if min(geometry.x0, geometry.y0) < 1.0 or max(geometry.x0, geometry.y0) > frame.width:
        return -1, geometry, sample, np.nan, np.nan
    if not trace(walks[0], at.table, at.lattice, at.step, at.sma, geometry.eps, at.sma, geometry.eps, True):
        return RUNAWAY, geometry, sample, np.nan, np.nan
    sample = sample_walk(frame, walks[0], geometry, sample.mean, True, scratch)
    scratch.differences[0] = 0.0
    gradient, error, sound = _gradient(frame, walks, at, geometry, sample, 0.0, scratch)
    if not sound:
        return RUNAWAY, geometry, sample, gradient, error
    code = 0 if gradient < 0.0 and error > 0.0 else -1
    return code, geometry, sample, gradient, error


@_jit
def _fit_isophote(frame, walks, at, limits, geometry, min_iterations, scratch):
    """Fit one ellipse. Returns its stop code (-1 diverged, 3 too few points, -9 ran away) and geometry."""
    best, best_geometry = np.inf, geometry
    exceeded = False
    gradient = 0.0
    level = frame.pixels[np.int64(geometry.y0 - 0.5) * frame.width + np.int64(geometry.x0 - 0.5)]
    if not trace(
        walks[0], at.table, at.lattice, at.step, at.sma, geometry.eps, geometry.start_sma, geometry.start_eps, True
    ):
        return RUNAWAY, geometry
    sample = sample_walk(frame, walks[0], geometry, level, True, scratch)
    scratch.differences[0] = 0.0
    for iteration in range(limits.max_iterations):
        gradient, error, sound = _gradient(frame, walks, at, geometry, sample, gradient, scratch)
        if not (sound and np.isfinite(sample.scatter)):
            return 3 if sound else RUNAWAY, geometry
        largest = abs(_largest_harmonic(sample)[0])
        if largest < best:
            best, best_geometry = largest, geometry
        settled = limits.convergence * SECTOR_AREA * sample.scatter > largest
        if settled and iteration >= min_iterations - 1:
            return 0, geometry
        if sample.used < sample.total * limits.valid_fraction:
            return 1, best_geometry
        code, geometry, sample, gradient, error = _corrected(frame, walks, at, geometry, sample, gradient, scratch)
        if code != 0:
            return code, geometry
        uncertain = error / abs(gradient) > limits.max_gradient_error
        if uncertain and exceeded:
            return -1, geometry
        exceeded = exceeded or uncertain
        if geometry.eps <= 0.0:
            geometry = _turned(geometry)
            scratch.differences[0] = 0.0
    return 2, best_geometry


@_jit
def fit_frame(frame, points, space, table, limits, result):
    """Fit ellipses outwards from the centre of a frame.

    Parameters
    ----------
    frame : (S, S) float32 array
    points : (3, 5, capacity) float64 array
    space : (4, 3, 5, LANES) float64 array
        Room to work in, from `eval.isophote.path.room(S)`; one per thread.
    table : Table
        From `eval.isophote.path_table.starts_table`, for the same S, first semi-major axis and step.
    limits : Limits
    result : (12,) float64 array
        Filled with the stop code of the outermost isophote, the number of isophotes, then sma, eps,
        pa, x0, y0 of the outermost one, and the same of the last that converged (NaN for none).

    Returns
    -------
    int
        OK, FAILED, RAN_AWAY, TOO_FEW_POINTS or TOO_MANY_ISOPHOTES.
    """
    size = frame.shape[0]
    flat = Frame(bare(frame.reshape(size * size)), size)
    table = Table(bare(table.polynomials), bare(table.steps), bare(table.edges))
    walks = (make_walk(points[0], space[0]), make_walk(points[1], space[1]), make_walk(points[2], space[2]))
    scratch = Scratch(bare(space[3, 0]), bare(space[3, 1, 0]), bare(space[3, 1, 1]))
    result[:] = np.nan
    center = (size - 1) / 2.0
    sma = limits.sma0
    geometry = Geometry(center, center, limits.eps0, limits.pa0, sma, limits.eps0)
    before, code = geometry, 0
    for count in range(1, MAX_ISOPHOTES + 1):
        least = limits.min_iterations * (2 if count == 1 else 1)
        code_before = code
        at = Place(table, count - 1, limits.step, sma)
        code, geometry = _fit_isophote(flat, walks, at, limits, geometry, least, scratch)
        if code == RUNAWAY:
            return RAN_AWAY
        if code == 3:
            return TOO_FEW_POINTS
        ended = False
        if code < 0 or code == 1:
            if count == 1:
                return FAILED
            geometry = Geometry(before.x0, before.y0, before.eps, before.pa, geometry.start_sma, geometry.start_eps)
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
