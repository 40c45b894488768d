"""The result of judging enhanced images (`eval.enhancement`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from eval.properties import PROPERTIES
from eval.statistics.spectra import SpectrumComparison

ELONGATED = 0.1
"""Angles are compared for targets of a larger ellipticity only: a round galaxy has none."""
FINE = 0.25
"""Cycles per pixel of the target from which on structure counts as fine."""
PREDICTION, INPUT, TARGET = "", "/input", "/target"
"""What columns of each side end in."""


@dataclass(frozen=True, kw_only=True)
class EnhancementResult:
    """How near enhanced images come to their targets, beside how near the inputs were already.

    Attributes
    ----------
    table : DataFrame
        One row per galaxy: id; psnr (dB), ssim; flux_aperture (grey levels); the four properties of `eval.catalogue`,
        NaN where the fit failed; sources, hallucinations, misses (counts). Columns are the prediction's; with `/input`
        appended the input's, with `/target` the target's.
    detections, detections_input : DataFrame
        See `eval.statistics.detections.by_magnitude`.
    spectra, spectra_input : SpectrumComparison
        Power spectra of the predictions (of the enlarged inputs) against the targets'.
    measurement : dict
        Settings of the measurement.
    """

    table: pd.DataFrame = field(repr=False)
    detections: pd.DataFrame = field(repr=False)
    detections_input: pd.DataFrame = field(repr=False)
    spectra: SpectrumComparison = field(repr=False)
    spectra_input: SpectrumComparison = field(repr=False)
    measurement: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return len(self.table)

    def metrics(self) -> dict[str, float]:
        """Every figure as a flat dict of finite numbers; those of the input end in `/input` or have `_input/`.

        - psnr (dB, mean over galaxies, an identical image counting as `PSNR_LIMIT`), ssim;
        - flux_bias, flux_scatter: of the aperture flux, ln(prediction / target);
        - bias/<property>, scatter/<property>: median, and half the range from the 16th to the 84th percentile, of
          prediction minus target (ellipticity; degrees on the circle, for targets with ellipticity above 0.1) or of
          ln(prediction / target) (flux, semi_major_axis), over galaxies whose fits did not fail;
        - gain/<property>: (E_input - E) / (E_input + E)
          with E^2 = bias^2 + scatter^2, in [-1, 1], positive where enhancement brings the measurement nearer the truth;
          gain, their mean;
        - failed/prediction, failed/input, failed/target: shares without a fit;
        - spectrum (dex, with spectrum_floor), and sharpness: mean log10 ratio of the power from 0.25 cycles per pixel
          on, negative for a blurred image;
        - completeness, contamination (the share of detections that are invented), hallucinations, misses (per galaxy).
        """
        values: dict[str, float] = {}
        for end in (PREDICTION, INPUT):
            values |= {_named(name, end): value for name, value in self._of_side(end).items()}
        for name in PROPERTIES:
            errors = [math.hypot(values[f"bias{end}/{name}"], values[f"scatter{end}/{name}"]) for end in ("", "_input")]
            if all(map(math.isfinite, errors)):
                values[f"gain/{name}"] = (errors[1] - errors[0]) / (sum(errors) or 1.0)
        gains = [value for name, value in values.items() if name.startswith("gain/")]
        values["gain"] = float(np.mean(gains)) if gains else math.nan
        for side, end in {"prediction": PREDICTION, "input": INPUT, "target": TARGET}.items():
            values[f"failed/{side}"] = float(self.table[f"ellipticity{end}"].isna().mean())
        values["spectrum_floor"] = math.nan if self.spectra.floor is None else self.spectra.floor
        return {name: float(value) for name, value in values.items() if math.isfinite(value)}

    def _of_side(self, end: str) -> dict[str, float]:
        table, spectra = self.table, self.spectra_input if end == INPUT else self.spectra
        ratio = log_ratio(table[f"flux_aperture{end}"], table["flux_aperture/target"])
        values = {name: float(table[f"{name}{end}"].mean()) for name in ("psnr", "ssim", "hallucinations", "misses")}
        values["flux_bias"], values["flux_scatter"] = robust(ratio)
        for name in PROPERTIES:
            values[f"bias/{name}"], values[f"scatter/{name}"] = robust(difference(table, name, end))
        values["spectrum"] = spectra.distance
        fine = spectra.frequency >= FINE
        values["sharpness"] = float((spectra.generated - spectra.real)[fine].mean())
        targets, outputs = table["sources/target"].sum(), table[f"sources{end}"].sum()
        values["completeness"] = 1 - table[f"misses{end}"].sum() / targets if targets else 1.0
        values["contamination"] = table[f"hallucinations{end}"].sum() / outputs if outputs else 0.0
        return values


def difference(table: pd.DataFrame, name: str, end: str = PREDICTION) -> np.ndarray:
    """How far a measured property is from the target's, one value per galaxy, NaN where there is none.

    Parameters
    ----------
    table : DataFrame
        `EnhancementResult.table`.
    name : str
        One of `eval.catalogue.PROPERTIES`.
    end : {"", "/input"}
        The prediction's or the input's.

    Returns
    -------
    ndarray
        (N,) float64: a difference for ellipticity; degrees in [-90, 90) for position_angle, of elongated targets; the
        natural logarithm of the ratio for flux and semi_major_axis.
    """
    given, truth = table[f"{name}{end}"].to_numpy(np.float64), table[f"{name}/target"].to_numpy(np.float64)
    if PROPERTIES[name].ratio:
        return log_ratio(given, truth)
    if name == "position_angle":
        turned = (given - truth + 90) % 180 - 90
        return np.where(table["ellipticity/target"].to_numpy() > ELONGATED, turned, np.nan)
    return np.asarray(given - truth)


def robust(values: np.ndarray) -> tuple[float, float]:
    """Median, and half the distance from the 16th to the 84th percentile, of the finite values; NaN without any."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, middle, high = np.percentile(values, [15.87, 50, 84.13])
    return float(middle), float(high - low) / 2


def _named(name: str, end: str) -> str:
    if end == PREDICTION:
        return name
    head, slash, tail = name.partition("/")
    return f"{head}_input/{tail}" if slash else f"{name}/input"


def log_ratio(given: Any, truth: Any) -> np.ndarray:
    """Natural logarithm of given / truth, NaN where either is not positive."""
    given, truth = np.asarray(given, np.float64), np.asarray(truth, np.float64)
    usable = (given > 0) & (truth > 0)
    return np.log(np.where(usable, given, np.nan) / np.where(usable, truth, np.nan))
