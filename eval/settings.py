"""What defines a measurement: two catalogues may be compared only when these agree."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from common.errors import FieldError

Outermost = Literal["last", "converged"]


@dataclass(frozen=True, kw_only=True)
class MeasurementSettings:
    """How a galaxy is measured.

    The defaults are the paper's procedure as far as it is stated, frozen where it is not: the
    semi-major axis can only take the values `sma0 * (1 + step)**k`, so changing `sma0` or `step`
    moves the distribution of sizes and both samples must share them.

    Attributes
    ----------
    frame_size : int
        Side, in pixels, to which every image is resampled (bicubic, Keys a = -0.5) before the fit.
    sma0 : float
        Semi-major axis of the first ellipse, in pixels of the frame.
    step : float
        Relative growth of the semi-major axis from one isophote to the next, and the relative
        distance over which the radial gradient is taken.
    eps0 : float
        Ellipticity, 1 - b/a, of the first ellipse.
    pa0 : float
        Angle of the first ellipse's major axis in radians, from the x axis towards increasing rows.
    outermost : {"last", "converged"}
        Which isophote describes the galaxy: the last of the list (the paper's), or the last one
        that converged (stop code 0). The catalogue carries both; this one fills the main columns.
    convergence : float
        An isophote has converged when its largest harmonic is below this fraction of the residual
        scatter (times the sector area of 2 pixels that bilinear sampling stands for).
    min_iterations, max_iterations : int
        Least and most iterations per isophote; the first isophote takes twice the least.
    valid_fraction : float
        Least share of an ellipse's sample points that must lie on the frame.
    max_gradient_error : float
        Largest relative error of the radial gradient; exceeded twice, the isophote has diverged.
    """

    frame_size: int = 512
    sma0: float = 20.0
    step: float = 0.1
    eps0: float = 0.2
    pa0: float = math.pi / 2
    outermost: Outermost = "last"
    convergence: float = 0.05
    min_iterations: int = 10
    max_iterations: int = 50
    valid_fraction: float = 0.7
    max_gradient_error: float = 0.5

    def __post_init__(self):
        self._require_int("frame_size", 64, 4096)
        self._require("sma0", 5.0 <= self.sma0 <= self.frame_size / 4, "5 to a quarter of frame_size")
        self._require("step", 0.02 <= self.step <= 0.5, "a number from 0.02 to 0.5")
        self._require("eps0", 0.05 <= self.eps0 <= 0.95, "a number from 0.05 to 0.95")
        self._require("pa0", 0.0 < self.pa0 <= math.pi, "radians above 0, at most pi")
        self._require("outermost", self.outermost in ("last", "converged"), '"last" or "converged"')
        self._require("convergence", 0.0 < self.convergence < 1.0, "a number between 0 and 1")
        self._require_int("min_iterations", 1, 100)
        self._require_int("max_iterations", self.min_iterations, 1000)
        self._require("valid_fraction", 0.0 < self.valid_fraction <= 1.0, "a share above 0, at most 1")
        self._require("max_gradient_error", self.max_gradient_error > 0.0, "a positive number")

    def _require(self, field: str, condition: bool, accepted: str) -> None:
        if not condition:
            raise FieldError(field, getattr(self, field), accepted)

    def _require_int(self, field: str, low: int, high: int) -> None:
        value = getattr(self, field)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self._require(field, whole and low <= value <= high, f"a whole number from {low} to {high}")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def key(self) -> str:
        """Return a short hash (12 hex digits) that is equal only for equal settings."""
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
