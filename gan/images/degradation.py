"""What a shallower survey would have seen: blur, coarse pixels and noise put on a deep colour image.

Colour images of the surveys are stretched, R = r F(I) / I with I = (r + g + b) / 3 and F an arcsinh (Lupton et al.
2004, PASP 116, 133). Seeing and noise act on the light r, g, b, so the stretch is undone first and put on again at the
end: the mean of the three grey levels gives F(I), hence I, hence the light up to one factor.

Assumptions, which the manifest repeats: the stretch is F(x) = asinh(softening x) / asinh(softening), black is no light
(sky below it was clipped), and a pixel with a band at white is taken at face value, so cores that were clipped stay
fainter than they are. The noise of the deep image counts as white; noise of the sky dominates, so none is added for the
light of the galaxy itself. Both seeings are round Gaussians.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from common.errors import require
from gan.config import as_dict

FWHM = 2 * math.sqrt(2 * math.log(2))  # of a Gaussian, in standard deviations
RECIPE = 1  # raised when the same seed gives other images
LEAST_NOISE = 0.5 / 255  # grey levels: rounding to 8 bits hides what is less


Spread = tuple[float, float]
"""A distribution: its median, and its scatter (of the natural logarithm for lengths, in magnitudes for depths)."""


@dataclass(frozen=True, kw_only=True)
class DegradeSettings:
    """The distributions from which each image's degradation is drawn, and what is assumed of the stretch.

    Attributes
    ----------
    seeing : Spread
        FWHM of the shallow survey, arcsec, lognormal. SDSS, r band: quartiles 1.30, 1.43, 1.58 (SDSS DR7, "Seeing and
        sky brightness"), which are 1.43 with a scatter of 0.145.
    deep_seeing : Spread
        FWHM of the deep survey, arcsec, lognormal. DECaLS, r band: median 1.18 (Dey et al. 2019, AJ 157, 168).
    pixel : float
        Pixel of the shallow survey, arcsec. SDSS: 0.396.
    depth_loss : Spread
        How much fainter the deep survey's 5 sigma limit for point sources is, mag, normal. r band: 22.70 in SDSS
        (DR16, "Scope"), 23.54 in DECaLS (Dey et al. 2019); the scatter is ours, for exposures that differ from
        place to place.
    field : Spread
        Width of the frame, arcsec, lognormal. Galaxy Zoo's DECaLS cutouts: 424 pixels of 0.04 Petrosian half-light
        radii, at least 0.1 arcsec (Walmsley et al. 2022, MNRAS 509, 3966); 0.2 arcsec is typical.
    softening : float
        Of the stretch; sinh(sqrt(20)) = 43.8 is that of the Legacy Surveys' viewer, asinh(20 x) / sqrt(20).
    """

    seeing: Spread = (1.43, 0.145)
    deep_seeing: Spread = (1.18, 0.1)
    pixel: float = 0.396
    depth_loss: Spread = (0.84, 0.2)
    field: Spread = (85.0, 0.35)
    softening: float = 43.8

    def __post_init__(self):
        for name in ("seeing", "deep_seeing", "field", "depth_loss"):
            median, scatter = value = tuple(getattr(self, name))
            object.__setattr__(self, name, value)
            good = math.isfinite(median) and 0 <= scatter < math.inf and (median > 0 or name == "depth_loss")
            require(good, name, value, "a median and a scatter")
        require(0.01 <= self.pixel <= 60, "pixel", self.pixel, "arcsec from 0.01 to 60")
        require(0.1 <= self.softening <= 1e6, "softening", self.softening, "0.1 to 1e6")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as values that JSON can hold."""
        return as_dict(self)

    def draw(self, rng: np.random.Generator) -> Degradation:
        """Draw one image's degradation.

        Parameters
        ----------
        rng : Generator
            Six numbers are drawn from it.

        Returns
        -------
        Degradation
            The deep seeing is never worse than the shallow one, and no depth is gained.
        """
        normal = rng.standard_normal(4)
        seeing, deep, field = (
            median * math.exp(scatter * x)
            for (median, scatter), x in zip((self.seeing, self.deep_seeing, self.field), normal, strict=False)
        )
        depth_loss = max(0.0, self.depth_loss[0] + self.depth_loss[1] * float(normal[3]))
        dx, dy = rng.random(2)
        return Degradation(seeing, min(deep, seeing), depth_loss, field, float(dx), float(dy))


class Degradation(NamedTuple):
    """Drawn for one image: seeings and width of the frame, arcsec; depth lost, mag; phase of the pixels."""

    seeing: float
    deep_seeing: float
    depth_loss: float
    field: float
    dx: float
    dy: float

    @property
    def noise_ratio(self) -> float:
        """Noise of the shallow image over that of the deep one, for the same area of sky.

        A point source's noise is that of the sky times the square root of the area of the seeing's disc.
        """
        return max(1.0, 10 ** (0.4 * self.depth_loss) * self.deep_seeing / self.seeing)


def degraded(
    deep: np.ndarray, size: int, settings: DegradeSettings, *, seed: int, name: str
) -> tuple[np.ndarray, dict[str, float]]:
    """An image and its degradation, drawn from `seed` and the image's `name` alone.

    Parameters
    ----------
    deep : ndarray
        (H, H, 3) uint8.
    size : int
        Side of the result, px, 1 or more.
    settings : DegradeSettings
        The distributions.
    seed : int
        0 or more.
    name : str
        Of the image.

    Returns
    -------
    shallow : ndarray
        (size, size, 3) uint8.
    drawn : dict
        seeing, deep_seeing, field (arcsec), depth_loss (mag) and noise_ratio.

    Raises
    ------
    FieldError
        The image is no such array, or a number is out of its range.
    """
    require(seed >= 0, "seed", seed, "0 or more")
    rng = np.random.default_rng([RECIPE, seed, zlib.crc32(name.encode("utf-8", "surrogateescape"))])
    drawn = settings.draw(rng)
    about = {key: round(float(value), 4) for key, value in drawn._asdict().items() if key not in ("dx", "dy")}
    return degrade(deep, size, drawn, settings, rng), {**about, "noise_ratio": round(float(drawn.noise_ratio), 4)}


def degrade(
    deep: np.ndarray, size: int, drawn: Degradation, settings: DegradeSettings, rng: np.random.Generator
) -> np.ndarray:
    """The image of a shallower survey.

    The deep light is blurred to the shallow seeing, summed over the shallow survey's pixels (whose grid lies anywhere),
    given white noise there, resampled to `size` (bicubic, as cutout services do) and stretched again.

    Parameters
    ----------
    deep : ndarray
        (H, H, 3) uint8, stretched.
    size : int
        Side of the result, px; it shows the same frame.
    drawn : Degradation
        From `DegradeSettings.draw`.
    settings : DegradeSettings
    rng : Generator
        Of the noise.

    Returns
    -------
    ndarray
        (size, size, 3) uint8.

    Raises
    ------
    FieldError
        The image is no such array, or a number is out of its range.
    """
    good = deep.ndim == 3 and deep.shape == (deep.shape[0], deep.shape[0], 3) and deep.dtype == np.uint8
    require(good and deep.size > 0, "deep", f"{deep.shape} {deep.dtype}", "(H, H, 3) uint8")
    require(size >= 1, "size", size, "1 px or more")
    require(0 < drawn.field < math.inf, "field", drawn.field, "arcsec above 0")
    seeings = (drawn.deep_seeing, drawn.seeing)
    require(
        0 < seeings[0] <= seeings[1] < math.inf, "seeing", seeings, "arcsec above 0, the shallow one not the better"
    )
    from scipy.ndimage import gaussian_filter

    side = deep.shape[0]
    deep_pixel = drawn.field / side  # arcsec
    light = unstretch(deep, settings.softening)
    noise = sky_noise(light, settings.softening) * deep_pixel / settings.pixel
    noise *= math.sqrt(drawn.noise_ratio**2 - 1)
    blur = math.sqrt(drawn.seeing**2 - drawn.deep_seeing**2) / FWHM / deep_pixel
    step = settings.pixel / deep_pixel
    count = math.ceil(drawn.field / settings.pixel + 1)
    across, down = (_overlaps(side, -phase * step, step, count) for phase in (drawn.dx, drawn.dy))
    out = np.empty((size, size, 3), np.float32)
    for band in range(3):
        blurred = gaussian_filter(light[..., band], blur, mode="nearest") if blur > 0 else light[..., band]
        pixels = down @ blurred @ across.T
        pixels += noise[band] * rng.standard_normal(pixels.shape, np.float32)
        width = side / step
        frame = (drawn.dx, drawn.dy, drawn.dx + width, drawn.dy + width)
        out[..., band] = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=frame))
    return stretch(out, settings.softening)


def _overlaps(side: int, start: float, step: float, count: int) -> np.ndarray:
    """Share of each of `count` coarse pixels that each of `side` fine ones covers, (count, side) float32.

    The coarse ones are `step` fine ones wide and begin at `start`; what lies outside counts as the outermost pixel.
    """
    edges = start + step * np.arange(count + 1)
    fine = np.arange(side + 1, dtype=np.float64)
    fine[0], fine[-1] = min(-1.0, edges[0]), max(side + 1.0, edges[-1])
    low = np.maximum(edges[:-1, None], fine[None, :-1])
    high = np.minimum(edges[1:, None], fine[None, 1:])
    return (np.maximum(high - low, 0) / step).astype(np.float32)


def stretch(light: np.ndarray, softening: float) -> np.ndarray:
    """Turn light into colours as Lupton et al. (2004) do.

    Parameters
    ----------
    light : ndarray
        (..., 3) float; 1 is the mean of the bands that becomes white.
    softening : float
        Above 0.

    Returns
    -------
    ndarray
        (..., 3) uint8.

    Raises
    ------
    FieldError
        The softening is not above 0.
    """
    _check_softening(softening)
    light = np.maximum(light, 0)
    mean = light.mean(axis=-1, keepdims=True)
    factor = np.arcsinh(softening * mean) / (math.asinh(softening) * np.maximum(mean, 1e-12))
    return np.rint(np.clip(light * factor, 0, 1) * 255).astype(np.uint8)


def unstretch(image: np.ndarray, softening: float) -> np.ndarray:
    """Return the light, (..., 3) float32, of a stretched image, (..., 3) uint8: `stretch` undone, but for its rounding.

    Raises
    ------
    FieldError
        The softening is not above 0.
    """
    _check_softening(softening)
    grey = np.asarray(image, np.float32) / 255
    mean = grey.mean(axis=-1, keepdims=True)
    light = np.sinh(math.asinh(softening) * mean) / softening
    return grey * (light / np.maximum(mean, 1e-6))


def _check_softening(softening: float) -> None:
    require(0 < softening < math.inf, "softening", softening, "a number above 0")


def sky_noise(light: np.ndarray, softening: float) -> np.ndarray:
    """Standard deviation of the sky in each band, (3,) float, from the pixels around the median, sources clipped.

    At least what half a grey level at the level of the sky means in light, where the sky was clipped to black.

    Parameters
    ----------
    light : ndarray
        (..., 3) float, one pixel or more.
    softening : float
        Of the stretch that the image had, above 0.

    Raises
    ------
    FieldError
        There is no pixel, or the softening is not above 0.
    """
    _check_softening(softening)
    require(light.size > 0, "light", light.shape, "one pixel or more")
    pixels = light.reshape(-1, light.shape[-1]).astype(np.float64)
    for _ in range(3):
        middle = np.median(pixels, axis=0)
        deviation = 1.4826 * np.median(np.abs(pixels - middle), axis=0)
        near = (np.abs(pixels - middle) <= 3 * np.maximum(deviation, 1e-12)).all(axis=1)
        if near.sum() < 16:
            break
        pixels = pixels[near]
    per_grey = math.asinh(softening) / softening * math.sqrt(1 + (softening * float(middle.mean())) ** 2)
    return np.maximum(deviation, LEAST_NOISE * per_grey)
