"""How far the shapes of generated galaxies are from those of real ones, and how far chance alone would put them.

Everything here is a functional of one thing: two samples pooled and sorted, and the
difference of their distribution functions `D(x) = F_real(x) - F_generated(x)` read at the
end of each run of equal values, so that ties (semi-major axes lie on a lattice of about 32
sizes) are exact.

============== ===================================== ==========================================
figure         definition                            a galaxy without a fit
============== ===================================== ==========================================
ks             max abs(D)                            a value below all others, tied with its like
ks_dropped     max abs(D)                            left out, as in F&M sec. 4
kuiper         max D - min D (Kuiper 1960)           left out
wasserstein    integral of abs(D), real spread = 1   left out
energy         Szekely & Rizzo 2013, in 5 dimensions left out
============== ===================================== ==========================================

Position angles live on a circle of 180 deg. Kuiper's V does not depend on where the circle
is cut; Wasserstein-1 on a circle is the integral of abs(D - median of D) (Delon et al. 2010).

Every figure comes with its floor: what two disjoint samples of *real* galaxies of these
sizes would give.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from eval.catalogue import PROPERTIES

ANGLE = "position_angle"
ANGLE_PERIOD = 180.0
"""Galaxies look the same after half a turn, deg."""
ELONGATED = "position_angle_elongated"
ELONGATED_ABOVE = 0.1
"""Ellipticity above which a position angle means something."""
COLORS = ("color_rg", "color_gb")
KS_MEAN_NULL = math.sqrt(math.pi / 2) * math.log(2)
"""Mean of Kolmogorov's distribution, 0.8687: KS between equals is this times sqrt(1/n + 1/N)."""
KS_95_NULL = 1.3581
"""Its 95th percentile."""
KUIPER_MEAN_NULL = math.sqrt(math.pi / 2)
"""Mean range of a Brownian bridge, 1.2533: the same for Kuiper's V."""
TIE = 0.54
"""Two results tie when their mean KS differ by less than TIE / sqrt(n generated); `benchmarks/distances.py`."""
RANKABLE_FITS = 0.7
"""Share of generated galaxies that must have a fit before their shapes can be ranked."""
MIN_SPLIT = 40
"""Rows the real catalogue must have before it is split for a floor."""
ENERGY_SAMPLE = 2500
"""Galaxies of either side that the energy distance takes at most."""
ENERGY_GROUPS = 20
"""Random groups of the real sample; a split of the energy distance takes half of them."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Distances between the catalogues of a real and a generated sample.

    Attributes
    ----------
    ks : dict of str to float
        KS distance of each property in [0, 1], a failed fit counting as a value below all others.
    ks_dropped : dict of str to float
        The same over fitted galaxies only, as in the paper; NaN where one side has no fit.
    kuiper : dict of str to float
        Kuiper's V in [0, 1] of `position_angle`, and of `position_angle_elongated`:
        galaxies with ellipticity > 0.1 only.
    wasserstein : dict of str to float
        Wasserstein-1 in units of the real spread: the standard deviation of the fitted real values;
        for the angle, whose standard deviation depends on where the circle is cut, that of
        isotropic angles, 180/sqrt(12) = 52.0 deg.
    energy : float
        Energy distance of standardised (ellipticity, log flux, log size, cos 2PA, sin 2PA):
        sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|) over `energy_n` fitted galaxies (real, generated).
    colors : dict of str to float
        KS of `color_rg` and `color_gb`; empty for images of fewer than 3 channels.
    failed : dict of str to float
        Share of galaxies without a fit, keys `real` and `generated`.
    floor, floor_95 : float
        Analytic mean and 95th percentile of the KS of one continuous property between two real
        samples of these sizes: 0.869 and 1.358 times sqrt(1/n + 1/N).
    floor_split : float or None
        The floor of `ks_mean` measured: mean over repeated splits of the real catalogue into
        disjoint halves, scaled to these sizes. None below 40 real galaxies.
    floors : dict of str to float
        Floors of the other figures, by the same splits, under their names in `metrics()`.
    energy_floor, energy_floor_95 : float
        Mean and 95th percentile of the energy distance over those splits.
    tie : float
        Difference of `ks_mean` below which two results of this size tie.
    rankable : bool
        False when fewer than 70% of the generated galaxies have a fit.
    n_real, n_generated : int
        Rows compared, failures included.
    """

    ks: dict[str, float]
    ks_dropped: dict[str, float]
    kuiper: dict[str, float]
    wasserstein: dict[str, float]
    energy: float
    energy_n: tuple[int, int]
    energy_floor: float
    energy_floor_95: float
    colors: dict[str, float]
    failed: dict[str, float]
    floor: float
    floor_95: float
    floor_split: float | None
    floors: dict[str, float] = field(repr=False)
    tie: float
    rankable: bool
    n_real: int
    n_generated: int

    @property
    def ks_mean(self) -> float:
        """Mean of the four KS distances: the default objective."""
        return float(np.mean(list(self.ks.values())))

    @property
    def ks_max(self) -> float:
        """Largest of the four KS distances."""
        return max(self.ks.values())

    def metrics(self) -> dict[str, float]:
        """Every finite figure under the name it has in MLflow."""
        values: dict[str, float | None] = {
            "ks_mean": self.ks_mean,
            "ks_max": self.ks_max,
            **_prefixed("ks", self.ks),
            **_prefixed("ks", self.colors),
            "ks_floor": self.floor,
            "ks_floor_95": self.floor_95,
            "ks_floor_split": self.floor_split,
            "ks_tie": self.tie,
            **_prefixed("failed", self.failed),
            **_prefixed("ks_dropped", self.ks_dropped),
            **_prefixed("kuiper", self.kuiper),
            **_prefixed("wasserstein", self.wasserstein),
            "energy": self.energy,
            "energy_floor": self.energy_floor,
            "energy_floor_95": self.energy_floor_95,
        }
        return {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}

    def as_dict(self) -> dict[str, Any]:
        """Every field and `ks_mean`, `ks_max` as plain values; what is undefined is None, so it is valid JSON."""
        values = {"ks_mean": self.ks_mean, "ks_max": self.ks_max, **dataclasses.asdict(self)}
        return {name: _plain(value) for name, value in values.items()}


def _prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare(real: pd.DataFrame, generated: pd.DataFrame, *, seed: int = 0, splits: int = 20) -> Comparison:
    """Distances between two catalogues, each with its floor.

    Parameters
    ----------
    real, generated : DataFrame
        Catalogues of `eval.measure.measure`: one row per galaxy. A row counts as fitted when its
        `status` is "ok" (if there is that column) and its four properties are finite.
    seed : int
        Draws the splits of the real catalogue and the subsample of the energy distance.
    splits : int
        Number of splits behind the measured floors, 1 or more.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        A catalogue is empty or lacks one of the four properties.
    """
    if splits < 1:
        raise ValueError(f"splits = {splits!r} does not work: expected 1 or more")
    sides = {"real": _checked(real, "real"), "generated": _checked(generated, "generated")}
    n_real, n_generated = len(real), len(generated)
    colors = [name for name in COLORS if _has_color(sides["real"], name) and _has_color(sides["generated"], name)]
    pooled = pd.concat([side[[*PROPERTIES, *colors]] for side in sides.values()], ignore_index=True)
    is_real = np.arange(len(pooled)) < n_real
    now = {name: values[0] for name, values in _figures(pooled, is_real[None]).items()}

    rng = np.random.default_rng(seed)
    scale = math.sqrt(1 / n_real + 1 / n_generated)
    floors: dict[str, float] = {}
    if n_real >= MIN_SPLIT:
        halves, null = _halves(n_real, splits, rng)
        for name, values in _figures(sides["real"][[*PROPERTIES, *colors]], halves).items():
            if np.isfinite(values).any():
                floors[name] = float(np.nanmean(values)) * scale / null
    for name in ("kuiper/" + ANGLE, "kuiper/" + ELONGATED):
        floors.setdefault(name, KUIPER_MEAN_NULL * scale)
    energy, energy_n, energy_null = _energy_with_floor(sides["real"], sides["generated"], splits, rng)

    def group(prefix: str) -> dict[str, float]:
        return {name.split("/")[1]: float(value) for name, value in now.items() if name.split("/")[0] == prefix}

    ks = group("ks")
    failed = {name: float(side["ellipticity"].isna().mean()) for name, side in sides.items()}
    return Comparison(
        ks={name: ks[name] for name in PROPERTIES},
        ks_dropped=group("ks_dropped"),
        kuiper=group("kuiper"),
        wasserstein=group("wasserstein"),
        energy=energy,
        energy_n=energy_n,
        energy_floor=float(np.mean(energy_null)) if len(energy_null) else math.nan,
        energy_floor_95=float(np.quantile(energy_null, 0.95)) if len(energy_null) else math.nan,
        colors={name: ks[name] for name in colors},
        failed=failed,
        floor=KS_MEAN_NULL * scale,
        floor_95=KS_95_NULL * scale,
        floor_split=floors.pop("ks_mean", None),
        floors=floors,
        tie=TIE / math.sqrt(n_generated),
        rankable=1 - failed["generated"] >= RANKABLE_FITS,
        n_real=n_real,
        n_generated=n_generated,
    )


def _checked(catalogue: pd.DataFrame, name: str) -> pd.DataFrame:
    """The figures of a catalogue as float64, NaN in every column of a row that has no fit."""
    missing = [column for column in PROPERTIES if column not in catalogue]
    if missing:
        raise ValueError(f"the {name} catalogue has no column {missing[0]!r}: expected {', '.join(PROPERTIES)}")
    if len(catalogue) == 0:
        raise ValueError(f"the {name} catalogue is empty: expected one row or more")
    columns = [*PROPERTIES, *(color for color in COLORS if color in catalogue)]
    values = catalogue[columns].astype(np.float64).reset_index(drop=True)
    fitted = np.isfinite(values[list(PROPERTIES)]).all(axis=1).to_numpy()
    if "status" in catalogue:
        fitted = fitted & (catalogue["status"] == "ok").to_numpy()
    values = values.where(np.isfinite(values))
    values.loc[~fitted] = np.nan
    return values


def _has_color(side: pd.DataFrame, name: str) -> bool:
    """A color that every image of this kind has: defined for some fit, or no fit to ask."""
    return name in side and bool(side[name].notna().any() or side["ellipticity"].isna().all())


def _halves(n: int, splits: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Random splits of n rows: (splits, n) bool, and sqrt(1/n + 1/m) of the two halves."""
    first = n // 2
    base = np.arange(n) < first
    labels = np.stack([rng.permutation(base) for _ in range(splits)])
    return labels, math.sqrt(1 / first + 1 / (n - first))


# --- Functionals of D, for one pooled sample and several ways of labelling it -----------------------------------------


def _figures(pooled: pd.DataFrame, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Every one-dimensional figure for each labelling.

    Parameters
    ----------
    pooled : DataFrame
        (n) rows of properties and colors, NaN where there is no fit.
    labels : ndarray
        (splits, n) bool, True for the rows of the first (real) sample.

    Returns
    -------
    dict of str to ndarray
        (splits,) float64 each, NaN where a sample has no fit.
    """
    figures: dict[str, np.ndarray] = {}
    columns = {name: pooled[name].to_numpy() for name in pooled}
    for name, values in columns.items():
        figures[f"ks/{name}"] = _ks(*_difference(np.where(np.isnan(values), -np.inf, values), labels))
    figures["ks_mean"] = np.mean([figures[f"ks/{name}"] for name in PROPERTIES], axis=0)
    fitted = ~np.isnan(columns["ellipticity"])
    for name in PROPERTIES:
        points, difference = _difference(columns[name][fitted], labels[:, fitted])
        figures[f"ks_dropped/{name}"] = _ks(points, difference)
        if name == ANGLE:
            distance, spread = _wasserstein_circular, np.full(len(labels), ANGLE_PERIOD / math.sqrt(12))
            figures[f"kuiper/{name}"] = _kuiper(points, difference)
        else:
            distance, spread = _wasserstein, _spread(columns[name], labels & fitted)
        figures[f"wasserstein/{name}"] = distance(points, difference) / spread
    elongated = fitted & (columns["ellipticity"] > ELONGATED_ABOVE)
    figures[f"kuiper/{ELONGATED}"] = _kuiper(*_difference(columns[ANGLE][elongated], labels[:, elongated]))
    return figures


def _difference(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct sorted values (m,) and D at them, (splits, m); NaN for a labelling with an empty side."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], np.ones(min(1, len(values)), bool)))
    first = np.cumsum(labels[:, order], axis=1, dtype=np.int64)[:, last]
    second = (last + 1) - first
    n = labels.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return ordered[last], first / n - second / (len(values) - n)


def _ks(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.abs(difference).max(axis=1)


def _kuiper(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """max D - min D: D ends at 0, so the range holds the 0 before the first point too."""
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.ptp(difference, axis=1)


def _wasserstein(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    if not len(points):
        return np.full(len(difference), np.nan)
    return np.abs(difference[:, :-1]) @ np.diff(points)


def _wasserstein_circular(points: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Points within one ANGLE_PERIOD; the arc from the last to the first has D = 0."""
    if not len(points):
        return np.full(len(difference), np.nan)
    arcs = np.append(np.diff(points), points[0] + ANGLE_PERIOD - points[-1])
    rank = np.argsort(difference, axis=1)
    half = np.argmax(np.cumsum(arcs[rank], axis=1) >= ANGLE_PERIOD / 2, axis=1)
    median = np.take_along_axis(difference, np.take_along_axis(rank, half[:, None], axis=1), axis=1)
    return np.abs(difference - median) @ arcs


def _spread(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Standard deviation of the values of the first sample, (splits,); NaN when none, or when they are all equal."""
    spread = np.array([np.std(values[label]) if label.any() else np.nan for label in first])
    return np.where(spread > 0, spread, np.nan)


# --- The same for two plain samples -----------------------------------------------------------------------------------


def _two_sample(first: Any, second: Any, functional: Callable[..., np.ndarray]) -> float:
    samples = [np.asarray(sample, np.float64).ravel() for sample in (first, second)]
    labels = np.arange(sum(map(len, samples))) < len(samples[0])
    return float(functional(*_difference(np.concatenate(samples), labels[None]))[0])


def ks_distance(first: Any, second: Any) -> float:
    """Two-sample Kolmogorov-Smirnov distance in [0, 1]; NaN is a value below all others.

    Parameters
    ----------
    first, second : array_like
        (n,) and (m,) numbers. NaN stands for a galaxy that could not be fitted.
    """
    first, second = (np.asarray(sample, np.float64) for sample in (first, second))
    return _two_sample(np.where(np.isnan(first), -np.inf, first), np.where(np.isnan(second), -np.inf, second), _ks)


def kuiper_distance(first: Any, second: Any) -> float:
    """Kuiper's V in [0, 1] of two samples of finite numbers: max(F - G) + max(G - F) (Kuiper 1960)."""
    return _two_sample(first, second, _kuiper)


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
        return _two_sample(first, second, _wasserstein)
    return _two_sample(np.mod(first, ANGLE_PERIOD), np.mod(second, ANGLE_PERIOD), _wasserstein_circular)


def energy_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Energy distance sqrt(2 E|X-Y| - E|X-X'| - E|Y-Y'|) of two samples of points (Szekely & Rizzo 2013).

    Parameters
    ----------
    first, second : ndarray
        (n, d) and (m, d) float. Time and not memory grows with (n + m) squared.
    """
    sums = _distance_sums(np.concatenate([first, second]), np.array([0, len(first)]))
    return float(_energy(sums, np.array([1 / len(first), -1 / len(second)])))


def _energy(sums: np.ndarray, weights: np.ndarray) -> float:
    """sqrt(-w'Sw): weights 1/n for the groups of one side and -1/m for those of the other."""
    return math.sqrt(max(0.0, -float(np.einsum("i,ij,j", weights, sums, weights))))


def _distance_sums(points: np.ndarray, starts: np.ndarray, rows: int = 64) -> np.ndarray:
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


def _energy_with_floor(
    real: pd.DataFrame, generated: pd.DataFrame, splits: int, rng: np.random.Generator
) -> tuple[float, tuple[int, int], np.ndarray]:
    """Energy distance, the galaxies of each side it took, and its values between halves of the real sample."""
    # Twice the sample of real galaxies, so that the floor is measured at the size it is for.
    real_fits = _sampled(real.dropna(subset=list(PROPERTIES)), 2 * ENERGY_SAMPLE, rng)
    fits = _sampled(generated.dropna(subset=list(PROPERTIES)), ENERGY_SAMPLE, rng)
    n, m = min(len(real_fits), ENERGY_SAMPLE), len(fits)
    if not (n and m):
        return math.nan, (n, m), np.empty(0)
    points, others = _standardised(real_fits, fits)
    energy = energy_distance(points[:n], others)
    if len(points) < MIN_SPLIT:
        return energy, (n, m), np.empty(0)
    starts = np.arange(ENERGY_GROUPS) * len(points) // ENERGY_GROUPS
    sums, sizes = _distance_sums(points, starts), np.diff([*starts, len(points)])
    halves, _ = _halves(ENERGY_GROUPS, splits, rng)
    null = []
    for half in halves:
        a, b = sizes[half].sum(), sizes[~half].sum()
        null.append(_energy(sums, np.where(half, 1 / a, -1 / b)) * math.sqrt((1 / n + 1 / m) / (1 / a + 1 / b)))
    return energy, (n, m), np.array(null)


def _sampled(rows: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    return rows.iloc[rng.permutation(len(rows))[:n]]


def _standardised(real: pd.DataFrame, generated: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(n, 5) and (m, 5): ellipticity, log flux, log size, cos 2PA, sin 2PA in units of the real mean and spread.

    A flux or size that is not positive (images of sky below zero) takes the smallest positive real one.
    """

    def columns(fits: pd.DataFrame) -> np.ndarray:
        double = np.deg2rad(2 * fits[ANGLE].to_numpy())
        logs = [_log(fits[name].to_numpy(), real[name].to_numpy()) for name in ("flux", "semi_major_axis")]
        return np.column_stack([fits["ellipticity"].to_numpy(), *logs, np.cos(double), np.sin(double)])

    points, others = columns(real), columns(generated)
    mean, spread = points.mean(axis=0), points.std(axis=0)
    spread[spread == 0] = 1
    return (points - mean) / spread, (others - mean) / spread


def _log(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    positive = reference[reference > 0]
    return np.log(np.maximum(values, positive.min() if len(positive) else 1.0))
