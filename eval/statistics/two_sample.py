"""Distances between two samples, each a functional of one thing.

Two samples are pooled and sorted; `D(x) = F_first(x) - F_second(x)` is read at the end of each
run of equal values, so ties are exact. Several ways of telling first from second (the splits
behind a noise floor) share one sorting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

ANGLE_PERIOD = 180.0
"""Galaxies look the same after half a turn, deg."""


def difference_of_cdfs(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sorted values (m,) and D at them, (splits, m); NaN for a labelling with an empty side."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], np.ones(min(1, len(values)), bool)))
    first = np.cumsum(labels[:, order], axis=1, dtype=np.int64)[:, last]
    second = (last + 1) - first
    n = labels.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return ordered[last], first / n - second / (len(values) - n)


def ks(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """max abs(D) for each labelling."""
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.asarray(np.abs(difference).max(axis=1))


def kuiper(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """max D - min D: D ends at 0, so the range holds the 0 before the first point too."""
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.asarray(np.ptp(difference, axis=1))


def wasserstein(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Integral of abs(D) for each labelling."""
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.asarray(np.abs(difference[:, :-1]) @ np.diff(points))


def wasserstein_circular(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Integral of abs(D - median of D) round the circle (Delon, Salomon & Sobolevskii 2010).

    Points within one ANGLE_PERIOD; the arc from the last to the first has D = 0."""
    if not len(points):
        return np.full(len(difference), np.nan)
    arcs = np.append(np.diff(points), points[0] + ANGLE_PERIOD - points[-1])
    rank = np.argsort(difference, axis=1)
    half = np.argmax(np.cumsum(arcs[rank], axis=1) >= ANGLE_PERIOD / 2, axis=1)
    median = np.take_along_axis(difference, np.take_along_axis(rank, half[:, None], axis=1), axis=1)
    return np.asarray(np.abs(difference - median) @ arcs)


def _two_sample(first: Any, second: Any, functional: Callable[..., np.ndarray]) -> float:
    samples = [np.asarray(sample, np.float64).ravel() for sample in (first, second)]
    labels = np.arange(sum(map(len, samples))) < len(samples[0])
    return float(functional(*difference_of_cdfs(np.concatenate(samples), labels[None]))[0])


def ks_distance(first: Any, second: Any) -> float:
    """Two-sample Kolmogorov-Smirnov distance in [0, 1]; NaN is a value below all others.

    Parameters
    ----------
    first, second : array_like
        (n,) and (m,) numbers. NaN stands for a galaxy that could not be fitted.
    """
    first, second = (np.asarray(sample, np.float64) for sample in (first, second))
    return _two_sample(np.where(np.isnan(first), -np.inf, first), np.where(np.isnan(second), -np.inf, second), ks)


def kuiper_distance(first: Any, second: Any) -> float:
    """Kuiper's V in [0, 1] of two samples of finite numbers: max(F - G) + max(G - F) (Kuiper 1960)."""
    return _two_sample(first, second, kuiper)


def wasserstein_distance(first: Any, second: Any, *, circular: bool = False) -> float:
    """Wasserstein-1 of two samples of finite numbers, in their own units.

    Parameters
    ----------
    first, second : array_like
        (n,) and (m,) numbers.
    circular : bool
        The numbers are angles in deg that mean the same after 180 deg (Delon, Salomon & Sobolevskii 2010).
    """
    if not circular:
        return _two_sample(first, second, wasserstein)
    return _two_sample(np.mod(first, ANGLE_PERIOD), np.mod(second, ANGLE_PERIOD), wasserstein_circular)


def energy_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Energy distance sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|) of two samples of points (Szekely & Rizzo 2013).

    Parameters
    ----------
    first, second : ndarray
        (n, d) and (m, d) float. Time and not memory grows with (n + m) squared.
    """
    sums = distance_sums(np.concatenate([first, second]), np.array([0, len(first)]))
    return float(energy_of_sums(sums, np.array([1 / len(first), -1 / len(second)])))


def energy_of_sums(sums: np.ndarray, weights: np.ndarray) -> float:
    """sqrt(-w'Sw): weights 1/n for the groups of one side and -1/m for those of the other."""
    return math.sqrt(max(0.0, -float(np.einsum("i,ij,j", weights, sums, weights))))


def distance_sums(points: np.ndarray, starts: np.ndarray, rows: int = 64) -> np.ndarray:
    """Sums of Euclidean distances between all points of each pair of groups.

    Plain array arithmetic on blocks that fit a core's cache: a matrix product would start
    BLAS threads, which wait for each other where trials share the cores.

    Parameters
    ----------
    points : ndarray
        (n, d) float, ordered by group.
    starts : ndarray
        (groups,) int, the first point of each group.

    Returns
    -------
    ndarray
        (groups, groups) float64, symmetric.
    """
    columns = np.ascontiguousarray(np.asarray(points, np.float64).T)
    sums = np.zeros((len(starts), len(starts)))
    for group, (start, stop) in enumerate(pairwise([*starts, len(points)])):
        for low in range(start, stop, rows):
            high = min(low + rows, stop)
            square = np.zeros((high - low, len(points) - start))
            step = np.empty_like(square)
            for column in columns:
                np.subtract(column[low:high, None], column[None, start:], out=step)
                square += np.multiply(step, step, out=step)
            totals = np.sqrt(square, out=square).sum(axis=0)
            sums[group, group:] += np.add.reduceat(totals, starts[group:] - start)
    return sums + np.triu(sums, 1).T
