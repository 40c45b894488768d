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

import math

import numpy as np
import pandas as pd

from eval.catalogue import PROPERTIES
from eval.statistics.comparison import Comparison
from eval.statistics.two_sample import (
    ANGLE_PERIOD,
    difference_of_cdfs,
    distance_sums,
    energy_distance,
    energy_of_sums,
    ks,
    ks_distance,
    kuiper,
    kuiper_distance,
    wasserstein,
    wasserstein_circular,
    wasserstein_distance,
)

__all__ = [
    "Comparison",
    "compare",
    "energy_distance",
    "ks_distance",
    "kuiper_distance",
    "wasserstein_distance",
]

ANGLE = "position_angle"
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
"""Two results tie when their mean KS differ by less than TIE / sqrt(n generated).

1.96 standard deviations of the difference of two samples of one generator are 0.5 for one as good as
real galaxies and 0.7 to 0.8 for worse ones (`benchmarks/distances.py`): near the floor, where rankings are
close, this is the 5% level, farther off a lenient one."""
RANKABLE_FITS = 0.7
"""Share of generated galaxies that must have a fit before their shapes can be ranked."""
MIN_SPLIT = 40
"""Rows the real catalogue must have before it is split for a floor."""
ENERGY_SAMPLE = 2500
"""Galaxies of either side that the energy distance takes at most."""
ENERGY_GROUPS = 20
"""Random groups of the real sample; a split of the energy distance takes half of them."""


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

    distances = group("ks")
    failed = {name: float(side["ellipticity"].isna().mean()) for name, side in sides.items()}
    return Comparison(
        ks={name: distances[name] for name in PROPERTIES},
        ks_dropped=group("ks_dropped"),
        kuiper=group("kuiper"),
        wasserstein=group("wasserstein"),
        energy=energy,
        energy_n=energy_n,
        energy_floor=float(np.mean(energy_null)) if len(energy_null) else math.nan,
        energy_floor_95=float(np.quantile(energy_null, 0.95)) if len(energy_null) else math.nan,
        colors={name: distances[name] for name in colors},
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
    # Sizes lie on a lattice: a last bit in which engines or files differ must not tell equals apart.
    values["semi_major_axis"] = values["semi_major_axis"].astype(np.float32).astype(np.float64)
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
        figures[f"ks/{name}"] = ks(*difference_of_cdfs(np.where(np.isnan(values), -np.inf, values), labels))
    four = [figures[f"ks/{name}"] for name in PROPERTIES]
    figures["ks_mean"], figures["ks_max"] = np.mean(four, axis=0), np.max(four, axis=0)
    fitted = ~np.isnan(columns["ellipticity"])
    for name in PROPERTIES:
        points, difference = difference_of_cdfs(columns[name][fitted], labels[:, fitted])
        figures[f"ks_dropped/{name}"] = ks(points, difference)
        if name == ANGLE:
            distance, spread = wasserstein_circular, np.full(len(labels), ANGLE_PERIOD / math.sqrt(12))
            figures[f"kuiper/{name}"] = kuiper(points, difference)
        else:
            distance, spread = wasserstein, _spread(columns[name], labels & fitted)
        figures[f"wasserstein/{name}"] = distance(points, difference) / spread
    elongated = fitted & (columns["ellipticity"] > ELONGATED_ABOVE)
    figures[f"kuiper/{ELONGATED}"] = kuiper(*difference_of_cdfs(columns[ANGLE][elongated], labels[:, elongated]))
    return figures


def _spread(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Standard deviation of the values of the first sample, (splits,); NaN when none, or when they are all equal."""
    spread = np.array([np.std(values[label]) if label.any() else np.nan for label in first])
    return np.where(spread > 0, spread, np.nan)


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
    sums, sizes = distance_sums(points, starts), np.diff([*starts, len(points)])
    halves, _ = _halves(ENERGY_GROUPS, splits, rng)
    null = []
    for half in halves:
        a, b = sizes[half].sum(), sizes[~half].sum()
        null.append(energy_of_sums(sums, np.where(half, 1 / a, -1 / b)) * math.sqrt((1 / n + 1 / m) / (1 / a + 1 / b)))
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
