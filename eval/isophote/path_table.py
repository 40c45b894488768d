"""Where the pieces of every walk begin, as polynomials in the axis ratio (`eval.isophote.path` walks from there)."""

from __future__ import annotations

from functools import lru_cache

import numba as nb
import numpy as np

from eval.isophote.path import LANES, LAST_PHI, MAX_STEP, MIN_Q, NODES, PANELS, PHI, Table, advance, settle, start

TABLE_TOLERANCE = 1e-9
"""Radians by which a tabulated start may differ from the walk; a panel that does worse is not used."""

_jit = nb.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _tabulate(angles, sma, qs, phis, lanes_angles):
    """Walk several ellipses side by side; fill `angles` (steps, len(qs)) and return how many steps the first takes."""
    count = len(qs)
    state = np.empty((5, count))
    for lane in range(count):
        settle(state, lane, phis[lane], qs[lane], sma)
    advance(lanes_angles, count, angles.shape[0], state)
    steps = 0
    for t in range(angles.shape[0]):
        for lane in range(count):
            angles[t, lane] = lanes_angles[PHI, t * count + lane]
        if angles[t, 0] <= LAST_PHI:
            steps = t + 1
    return steps


@lru_cache(maxsize=8)
def starts_table(frame_size: int, sma0: float, step: float) -> Table:
    """Tabulate where the pieces of every walk begin; kept for the process.

    Parameters
    ----------
    frame_size : int
        Walks are tabulated up to semi-major axes of three quarters of it; larger ones are rare.
    sma0, step : float
        The lattice of semi-major axes.

    Notes
    -----
    On each panel of q the angle of the walk's point l * steps is interpolated at Chebyshev nodes, and
    checked between them.
    """
    lattice = int(np.log(0.75 * frame_size / sma0) / np.log(1.0 + step)) + 1
    polynomials = np.zeros((2, lattice, PANELS, NODES, LANES))
    steps = np.zeros((2, lattice, PANELS), np.int64)
    nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    checks = np.array([-0.93, -0.51, 0.07, 0.42, 0.88])
    powers = np.arange(NODES - 1, -1, -1)
    interpolate = np.linalg.inv(nodes[:, np.newaxis] ** powers)
    edges = MIN_Q ** (np.arange(PANELS + 1) / PANELS)
    sma = sma0
    for index in range(lattice):
        longest = int(6.4 * sma) + 64
        for panel in range(PANELS):
            high, low = edges[panel], edges[panel + 1]
            z = np.concatenate(([1.0], nodes, checks))
            qs = 0.5 * (high + low) + 0.5 * (high - low) * z
            angles = np.empty((longest, len(qs)))
            room = np.empty((5, angles.size))
            for kind in range(2):
                phis = np.array([_first_angle(kind, sma, 1.0 - q, step) for q in qs])
                count = _tabulate(angles, sma, qs, phis, room)
                size = -(-count // LANES)
                starts = angles[np.minimum(np.arange(LANES) * size, longest - 1)]
                fitted = interpolate @ starts[:, 1 : 1 + NODES].T
                wrong = (checks[:, np.newaxis] ** powers) @ fitted - starts[:, 1 + NODES :].T
                if np.abs(wrong).max() < TABLE_TOLERANCE:
                    polynomials[kind, index, panel] = fitted
                    steps[kind, index, panel] = size
            longest = count + 4
        sma = sma * (1.0 + step)
    return Table(polynomials, steps, edges)


def _first_angle(kind: int, sma: float, eps: float, step: float) -> float:
    """Angle of the first point that lies on the ellipse of a walk."""
    if kind == 0:
        return start(sma, eps, step)[0]
    phi0, r0 = start(sma / (1.0 + step), eps, step)
    return phi0 + min(1.0 / r0, MAX_STEP)
