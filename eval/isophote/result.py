"""What a fit gives, whichever engine made it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from eval.catalogue import COLUMNS, NO_ISOPHOTE
from eval.settings import Outermost

LARGEST = 1e15
"""Pixels beyond this absolute value are not measured: sums of squares must stay finite in float32 frames."""


@dataclass(frozen=True)
class Ellipse:
    """An isophote on the frame, y down as rows run.

    Attributes
    ----------
    sma : float
        Semi-major axis in pixels of the frame.
    eps : float
        Ellipticity, 1 - b/a.
    pa : float
        Angle of the major axis in radians from the x axis towards increasing rows, not reduced.
    x0, y0 : float
        Centre in pixels of the frame; (0, 0) is the centre of the first pixel.
    flux : float
        Sum of the frame's pixels inside the ellipse.
    """

    sma: float = math.nan
    eps: float = math.nan
    pa: float = math.nan
    x0: float = math.nan
    y0: float = math.nan
    flux: float = math.nan

    @property
    def finite(self) -> bool:
        """Whether the ellipse exists at all."""
        return math.isfinite(self.sma + self.eps + self.pa + self.x0 + self.y0 + self.flux)

    @property
    def position_angle(self) -> float:
        """Angle of the major axis in degrees as seen, y up, in (-90, 90]."""
        angle = (180.0 - math.degrees(self.pa)) % 180.0
        return angle - 180.0 if angle > 90.0 else angle

    @property
    def properties(self) -> tuple[float, float, float, float]:
        """The values of `eval.catalogue.PROPERTIES`."""
        if not self.finite:
            return (math.nan,) * 4
        return self.eps, self.position_angle, self.flux, self.sma


NO_ELLIPSE = Ellipse()


@dataclass(frozen=True)
class Fit:
    """What came of one image.

    Attributes
    ----------
    status : str
        One of `eval.catalogue.STATUSES`.
    stop_code : int
        photutils' stop code of the outermost isophote; `NO_ISOPHOTE` when there is none.
    last, converged : Ellipse
        The last isophote of the list, and the last one with stop code 0.
    last_colors, converged_colors : tuple of float
        Ratios of band fluxes (band 0 to 1, band 1 to 2) inside each; NaN for fewer than three bands.
    detail : str
        Why there is no result, in words.
    """

    status: str
    stop_code: int = NO_ISOPHOTE
    last: Ellipse = NO_ELLIPSE
    converged: Ellipse = NO_ELLIPSE
    last_colors: tuple[float, float] = (math.nan, math.nan)
    converged_colors: tuple[float, float] = (math.nan, math.nan)
    detail: str = field(default="", compare=False)

    def row(self, identifier: object, outermost: Outermost) -> dict[str, object]:
        """Return the catalogue row of this fit (`eval.catalogue.COLUMNS`)."""
        main, colors, code, status = self.last, self.last_colors, self.stop_code, self.status
        if outermost == "converged":
            main, colors, code = self.converged, self.converged_colors, 0
        if status == "ok" and not main.finite:
            status = "failed"
        if status != "ok":
            values: tuple[object, ...] = (*NO_ELLIPSE.properties, status, NO_ISOPHOTE, *(math.nan,) * 6)
        else:
            values = (*main.properties, status, code, *self.converged.properties, *colors)
        return dict(zip(COLUMNS, (identifier, *values), strict=True))


def invalid_reason(image: np.ndarray) -> str:
    """Return why there is nothing to fit in an (H, W, C) image, or an empty string."""
    low, high = image.min(), image.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return "some pixels are not finite"
    if max(abs(float(low)), abs(float(high))) > LARGEST:
        return f"some pixels exceed {LARGEST:g}"
    grey = image.mean(axis=-1, dtype=np.float64).astype(np.float32)
    if grey.min() == grey.max():
        return "all pixels are alike"
    return ""
