"""The result of comparing two catalogues (`eval.distances`)."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


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
