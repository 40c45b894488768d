"""From linear fluxes to the colours that a network knows, and back.

Shapes: `(..., bands)`, floating; any number of bands, of which every pixel has all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from common.errors import require

FRACTION = 0.1  # where the stretch is scaled to the line through the origin, as `astropy.visualization` has it


@dataclass(frozen=True, kw_only=True)
class LuptonStretch:
    """The stretch of Lupton et al. (2004) without rounding to bytes, and its inverse.

    Every band of a pixel is multiplied by f(I) / I, with I the mean of the bands and
    f(I) = asinh(Q I / stretch) * 0.1 / asinh(0.1 Q): colours stay what they are, and the result is that of
    `astropy.visualization.make_lupton_rgb`, with which `gan.prepare` makes images of FITS cubes.

    Attributes
    ----------
    stretch, q : float
        Softening (in the unit of the data) and contrast.
    minimum : float
        Black, in the unit of the data.
    """

    stretch: float = 0.1
    q: float = 8.0
    minimum: float = 0.0

    def __post_init__(self):
        require(0 < self.stretch < math.inf, "stretch", self.stretch, "a positive number")
        require(0 < self.q < math.inf, "q", self.q, "a positive number")
        require(math.isfinite(self.minimum), "minimum", self.minimum, "a number")

    @property
    def _slope(self) -> float:
        return FRACTION / math.asinh(FRACTION * self.q)

    @property
    def white(self) -> float:
        """The intensity above `minimum` that becomes 1."""
        return self.stretch / self.q * math.sinh(1 / self._slope)

    def forward(self, flux: np.ndarray) -> np.ndarray:
        """Fluxes to colours in [0, 1], float32.

        What is below `minimum` becomes 0. A pixel with a band above 1 is scaled down as a whole, so that its hue stays.
        """
        light = np.asarray(flux, np.float64) - self.minimum
        intensity = light.mean(-1, keepdims=True)
        bright = np.maximum(intensity, np.finfo(np.float64).tiny)
        factor = np.where(intensity > 0, np.arcsinh(bright * (self.q / self.stretch)) * self._slope / bright, 0.0)
        colours = np.clip(light * factor, 0.0, None)
        return (colours / np.maximum(colours.max(-1, keepdims=True), 1.0)).astype(np.float32)

    def inverse(self, colours: np.ndarray) -> np.ndarray:
        """Colours in [0, 1] to fluxes in the unit of the data, float64."""
        colours = np.asarray(colours, np.float64)
        mean = colours.mean(-1, keepdims=True)
        intensity = self.stretch / self.q * np.sinh(mean / self._slope)
        factor = np.divide(intensity, mean, out=np.zeros_like(mean), where=mean > 0)
        return colours * factor + self.minimum


@dataclass(frozen=True, kw_only=True)
class LinearStretch:
    """A straight line: `low` becomes 0 and `high` becomes 1; what lies outside is clipped.

    Attributes
    ----------
    low, high : float
        In the unit of the data.
    """

    low: float = 0.0
    high: float = 255.0

    def __post_init__(self):
        require(math.isfinite(self.low), "low", self.low, "a number")
        require(self.low < self.high < math.inf, "high", self.high, f"a number above {self.low}")

    @property
    def white(self) -> float:
        """The value above `low` that becomes 1."""
        return self.high - self.low

    def forward(self, flux: np.ndarray) -> np.ndarray:
        """Values to [0, 1], float32."""
        return np.clip((np.asarray(flux, np.float64) - self.low) / self.white, 0.0, 1.0).astype(np.float32)

    def inverse(self, colours: np.ndarray) -> np.ndarray:
        """[0, 1] to values in the unit of the data, float64."""
        return np.asarray(colours, np.float64) * self.white + self.low


Stretch = LuptonStretch | LinearStretch
