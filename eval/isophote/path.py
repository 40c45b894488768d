"""The path along an ellipse on which the fit samples the image.

photutils walks in polar angle, phi -> phi + min(1 / r(phi), 0.5) from a start that depends on the
semi-major axis, until a full turn and 0.05 rad are covered. Each step waits for the one before:
square root, sine and cosine, which no processor can overlap. Yet the k-th angle of the walk
is a smooth function of the axis ratio q = 1 - eps, and semi-major axes only take the values of a
lattice. So `eval.isophote.path_table` keeps, as polynomials in q, the angles at which each sixteenth of
every walk begins; from there sixteen pieces are walked side by side, in vector registers. The points
are photutils' to 1e-9 rad; walks outside the table are taken step by step.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np

LANES = 16
"""Pieces of a walk that advance side by side."""

PANELS, NODES = 24, 12
"""The table's pieces in q, of equal ratio, and the coefficients of the polynomial on each."""

MIN_Q = 0.05
PHI_OVERLAP = 0.05
LAST_PHI = 2.0 * np.pi + PHI_OVERLAP
MAX_STEP = 0.5

POINTS_PER_PIXEL = 512
"""Room for a walk, in points per pixel of the frame's side; only an ellipse that has run away needs more."""

COS, SIN, X, Y, PHI = 0, 1, 2, 3, 4
SMA, EPS, START_SMA, START_EPS, COUNT, REACH, WALKED, SAMPLED = range(8)
_jit = nb.njit(cache=True, nogil=True, error_model="numpy")
_jit_vector = nb.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


class Walk(NamedTuple):
    """A kept walk along an ellipse whose major axis lies along x.

    Attributes
    ----------
    points : (5, capacity) float64 array
        cos phi, sin phi, x, y (pixels from the centre) and phi of every point, in no particular order.
    head : (8,) float64 array
        Semi-major axis and ellipticity, those of the ellipse whose start it takes, number of points,
        largest radius; points walked and points sampled since it was made.
    factor : (5, LANES) float64 array
        Cholesky factor, lower, of the normal equations of 1, sin, cos, sin 2, cos 2 over the points,
        in the first five columns.
    state : (5, LANES) float64 array
        Room for `advance`.
    """

    points: np.ndarray
    head: np.ndarray
    factor: np.ndarray
    state: np.ndarray


class Table(NamedTuple):
    """Where the pieces of a walk begin: see `eval.isophote.path_table.starts_table`.

    Attributes
    ----------
    polynomials : (2, lattice, PANELS, NODES, LANES) float64 array
        Coefficients, highest power first, in the panel's variable from -1 to 1. First index: a walk
        from the ellipse's own start (0) or from the one it inherits (1).
    steps : (2, lattice, PANELS) int64 array
        Points in each piece; 0 where the table is not to be used.
    edges : (PANELS + 1,) float64 array
        Values of q between which the panels lie, falling from 1.
    """

    polynomials: np.ndarray
    steps: np.ndarray
    edges: np.ndarray


def room(frame_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for three walks, along an ellipse and the two larger ones that give its gradient, and for small things."""
    capacity = POINTS_PER_PIXEL * frame_size + 104  # so that rows do not fall on the same lines of the cache
    return np.zeros((3, 5, capacity)), np.zeros((4, 3, 5, LANES))


@nb.extending.intrinsic
def bare(typing_context, array):
    """An array without an owner, so that passing it on counts no references (atomic, and dear in small functions).

    Whoever called into compiled code must hold the memory.
    """

    def generate(context, builder, signature, arguments):
        view, model = arguments[0], context.data_model_manager[signature.args[0]]
        for field in ("meminfo", "parent"):
            at = model.get_field_position(field)
            view = builder.insert_value(view, view.type.elements[at](None), at)
        return view

    return array(array), generate


@_jit
def make_walk(points, space):
    """A walk without points, in the room given."""
    walk = Walk(bare(points), bare(space[0, 0]), bare(space[1]), bare(space[2]))
    walk.head[:] = 0.0
    return walk


@_jit
def radius(sma, eps, phi):
    """Distance of an ellipse from its centre at a polar angle from its major axis."""
    q = 1.0 - eps
    return sma * q / np.sqrt((q * np.cos(phi)) ** 2 + np.sin(phi) ** 2)


@_jit
def start(sma, eps, step):
    """Angle and radius at which a walk begins: half a sector, a step wide but at most 3 pixels."""
    low, high = sma * (1.0 - step / 2.0), sma * (1.0 + step / 2.0)
    phi = max(min(min(high - low, 3.0) / sma, 0.2), 0.05) / 2.0
    return phi, radius(sma, eps, phi)


@_jit_vector
def advance(points, lanes, steps, state):
    """Walk `steps` steps in each of `lanes` lanes; point t of lane l goes to column t * lanes + l.

    `state` (5, lanes) holds cos phi, sin phi, phi, q squared and 1 / (sma q) of every lane.
    """
    c, s, phi, q2, inverse = state[0], state[1], state[2], state[3], state[4]
    for t in range(steps):
        at = t * lanes
        for lane in range(lanes):
            cl, sl = c[lane], s[lane]
            d = np.sqrt(q2[lane] * cl * cl + sl * sl) * inverse[lane]
            r = 1.0 / d
            points[COS, at + lane] = cl
            points[SIN, at + lane] = sl
            points[X, at + lane] = r * cl
            points[Y, at + lane] = r * sl
            points[PHI, at + lane] = phi[lane]
            d = min(d, MAX_STEP)
            d2 = d * d
            sd = d2 * (1.0 / 362880.0 - d2 * (1.0 / 39916800.0 - d2 / 6227020800.0))
            sd = d + d * d2 * (-1.0 / 6.0 + d2 * (1.0 / 120.0 + d2 * (-1.0 / 5040.0) + d2 * sd))
            cd = d2 * (1.0 / 40320.0 - d2 * (1.0 / 3628800.0 - d2 * (1.0 / 479001600.0 - d2 / 87178291200.0)))
            cd = 1.0 + d2 * (-0.5 + d2 * (1.0 / 24.0 + d2 * (-1.0 / 720.0) + d2 * cd))
            c[lane] = cl * cd - sl * sd
            s[lane] = sl * cd + cl * sd
            phi[lane] = phi[lane] + d


@_jit
def settle(state, lane, phi, q, sma):
    """Put a lane at an angle of an ellipse."""
    state[0, lane], state[1, lane], state[2, lane] = np.cos(phi), np.sin(phi), phi
    state[3, lane], state[4, lane] = q * q, 1.0 / (sma * q)


@_jit_vector
def _place_lanes(state, polynomial, z, phi, q, sma):
    """Put every lane at its tabulated angle, the first at `phi`.

    Sine and cosine are those of an eighth of the angle (from pi, so at most 0.7), doubled three times.
    """
    cosine, sine, angle = state[0], state[1], state[2]
    for lane in range(LANES):
        angle[lane] = polynomial[0, lane]
    for power in range(1, NODES):
        for lane in range(LANES):
            angle[lane] = angle[lane] * z + polynomial[power, lane]
    angle[0] = phi
    for lane in range(LANES):
        a = (angle[lane] - np.pi) * 0.125
        a2 = a * a
        s = a2 * (1.0 / 362880.0 - a2 * (1.0 / 39916800.0 - a2 * (1.0 / 6227020800.0 - a2 / 1307674368000.0)))
        s = a + a * a2 * (-1.0 / 6.0 + a2 * (1.0 / 120.0 + a2 * (-1.0 / 5040.0) + a2 * s))
        c = a2 * (1.0 / 3628800.0 - a2 * (1.0 / 479001600.0 - a2 * (1.0 / 87178291200.0 - a2 / 20922789888000.0)))
        c = 1.0 + a2 * (-0.5 + a2 * (1.0 / 24.0 + a2 * (-1.0 / 720.0 + a2 * (1.0 / 40320.0) - a2 * c)))
        s, c = 2.0 * s * c, 1.0 - 2.0 * s * s
        s, c = 2.0 * s * c, 1.0 - 2.0 * s * s
        s, c = 2.0 * s * c, 1.0 - 2.0 * s * s
        cosine[lane], sine[lane] = -c, -s
        state[3, lane], state[4, lane] = q * q, 1.0 / (sma * q)


@_jit
def _fill_holes(points, steps, count):
    """Move the points of the first `count` steps of a walk to the first `count` columns."""
    whole, rest = count // steps, count % steps
    source = steps * LANES - 1
    for lane in range(whole, LANES):
        for t in range(rest if lane == whole else 0, steps):
            at = t * LANES + lane
            if at >= count:
                break
            while source % LANES > whole or (source % LANES == whole and source // LANES >= rest):
                source -= 1
            for row in range(5):
                points[row, at] = points[row, source]
            source -= 1


@_jit
def _walk_pieces(walk, table, kind, index, sma, q, phi):
    """Walk all pieces side by side, from a given first angle. Returns the number of points, 0 if not in the table."""
    if not MIN_Q <= q <= 1.0 or index < 0 or index >= table.steps.shape[1]:
        return 0
    panel = min(int(np.log(q) * (PANELS / np.log(MIN_Q))), PANELS - 1)
    steps = table.steps[kind, index, panel]
    points = walk.points
    if steps == 0 or steps * LANES > points.shape[1]:
        return 0
    high, low = table.edges[panel], table.edges[panel + 1]
    z = (2.0 * q - high - low) / (high - low)
    polynomial = table.polynomials[kind, index, panel]
    _place_lanes(walk.state, polynomial, z, phi, q, sma)
    advance(points, LANES, steps, walk.state)
    count = steps * LANES
    for lane in range(LANES - 1, -1, -1):
        t = steps - 1
        while t >= 0 and points[PHI, t * LANES + lane] > LAST_PHI:
            t -= 1
            count -= 1
        if t >= 0:
            break
    _fill_holes(points, steps, count)
    return count


@_jit
def _walk_serially(walk, sma, q, phi, count):
    """Walk step by step from an angle on, after `count` points. Returns the number of points, -1 for too many."""
    points = walk.points
    state = np.empty((5, 1))
    settle(state, 0, phi, q, sma)
    while state[2, 0] <= LAST_PHI:
        if count >= points.shape[1]:
            return -1
        advance(points[:, count:], 1, 1, state)
        count += 1
    return count


@_jit_vector
def _trigonometric_sums(points, count):
    """Sums of sin(k phi) and cos(k phi), k = 1 to 4, along a walk."""
    s1 = s2 = s3 = s4 = c1 = c2 = c3 = c4 = 0.0
    for k in range(count):
        c, s = points[COS, k], points[SIN, k]
        cc, ss = c * c - s * s, 2.0 * s * c
        s1 += s
        c1 += c
        s2 += ss
        c2 += cc
        s3 += s * cc + c * ss
        c3 += c * cc - s * ss
        s4 += 2.0 * ss * cc
        c4 += cc * cc - ss * ss
    return s1, s2, s3, s4, c1, c2, c3, c4


@_jit
def factorise(matrix):
    """Replace the lower triangle of a symmetric 5 x 5 matrix by its Cholesky factor. False if not positive."""
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
    return True


@_jit
def normal_matrix(matrix, count, s1, s2, s3, s4, c1, c2, c3, c4):
    """Fill the lower triangle of the normal matrix of 1, sin, cos, sin 2, cos 2 from sums of sin k and cos k."""
    matrix[0, 0] = count
    matrix[1, 0], matrix[1, 1] = s1, 0.5 * (count - c2)
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = c1, 0.5 * s2, 0.5 * (count + c2)
    matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3] = s2, 0.5 * (c1 - c3), 0.5 * (s1 + s3), 0.5 * (count - c4)
    matrix[4, 0], matrix[4, 1], matrix[4, 2] = c2, 0.5 * (s3 - s1), 0.5 * (c1 + c3)
    matrix[4, 3], matrix[4, 4] = 0.5 * s4, 0.5 * (count + c4)


@_jit
def trace(walk, table, index, step, sma, eps, start_sma, start_eps, normal):
    """Walk along an ellipse, unless the walk that is kept is the one.

    Parameters
    ----------
    walk : Walk
    table : Table
    index : int
        Place of `sma` on the lattice of semi-major axes; -1 when it is not on it.
    step : float
        Relative step of that lattice.
    sma, eps : float
        The ellipse.
    start_sma, start_eps : float
        The ellipse on which the walk has its first point: itself, or one that it inherits from.
    normal : bool
        Whether the normal equations are wanted.

    Returns
    -------
    bool
        False when the ellipse has run away: not finite, or longer than the room for it.
    """
    head, points = walk.head, walk.points
    same = head[EPS] == eps and head[SMA] == sma and head[START_SMA] == start_sma and head[START_EPS] == start_eps
    if same and head[COUNT] > 0.0:
        return True
    head[COUNT] = 0.0
    phi0, r0 = start(start_sma, start_eps, step)
    q = 1.0 - eps
    if not (0.0 < q < np.inf and 0.0 < r0 < np.inf):
        return False
    own = start_sma == sma and start_eps == eps
    phi, kind = phi0, 0
    if not own:
        phi = phi0 + min(1.0 / r0, MAX_STEP)
        kind = 1 if start_eps == eps and start_sma * (1.0 + step) == sma else -1
    count = 0
    if kind >= 0:
        count = _walk_pieces(walk, table, kind, index, sma, q, phi)
    if count == 0:
        count = _walk_serially(walk, sma, q, phi, 0)
    if count < 0 or count >= points.shape[1]:
        return False
    if not own:
        points[COS, count], points[SIN, count] = np.cos(phi0), np.sin(phi0)
        points[X, count], points[Y, count] = r0 * np.cos(phi0), r0 * np.sin(phi0)
        count += 1
    head[SMA], head[EPS], head[START_SMA], head[START_EPS], head[COUNT] = sma, eps, start_sma, start_eps, count
    head[REACH] = max(r0, max(sma, sma * q))
    head[WALKED] += count
    if normal:
        normal_matrix(walk.factor, count, *_trigonometric_sums(points, count))
        if not factorise(walk.factor):
            walk.factor[0, 0] = np.nan
    return True
