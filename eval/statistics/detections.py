"""Sources in one image with no counterpart in another: what an enhancer invents, and what it loses.

Sources are found by `photutils.segmentation`: connected pixels above the sky by so many times its noise, in a slightly
smoothed image. A source found at `threshold` counts as invented (or lost) only if the other image shows nothing there
even at `counterpart`, so that noise around one threshold is no hallucination. The noise that sets the thresholds is the
larger of the two images': an output smoother than its target is not searched deeper than the target can tell.

Sources that overlap count as one: a galaxy with all that lies on it is one source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from common.errors import FieldError

FWHM = 2 * math.sqrt(2 * math.log(2))
LEAST_NOISE = 0.25
"""Grey levels; a sky that was clipped to black, or is free of noise, has less."""
_MAX_BINS = 40


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """How sources are found and matched.

    Attributes
    ----------
    threshold : float
        Least height of a source over the sky, in units of its noise in the smoothed image.
    counterpart : float
        The same for what counts as a counterpart; at most `threshold`.
    pixels : int
        Least connected pixels above it.
    smoothing : float
        FWHM of the Gaussian that smooths the images first, px; 0 for none.
    radius : float
        How far from a source's centroid its counterpart may begin, px.
    """

    threshold: float = 5.0
    counterpart: float = 2.5
    pixels: int = 5
    smoothing: float = 2.0
    radius: float = 2.0

    def __post_init__(self) -> None:
        self._require("counterpart", self.counterpart > 0, "a positive number")
        self._require("threshold", self.threshold >= self.counterpart, f"at least counterpart, {self.counterpart}")
        self._require("pixels", isinstance(self.pixels, int) and self.pixels >= 1, "a whole number from 1")
        self._require("smoothing", 0 <= self.smoothing <= 20, "px from 0 to 20")
        self._require("radius", 0 <= self.radius <= 100, "px from 0 to 100")

    def _require(self, field: str, condition: bool, accepted: str) -> None:
        if not condition:
            raise FieldError(field, getattr(self, field), accepted)


@dataclass(frozen=True)
class Match:
    """Sources of an output and of its target, and which of them the other has too.

    Attributes
    ----------
    target_magnitude, output_magnitude : ndarray
        (n,) float64: -2.5 log10 of the sum over the source's pixels above the sky, grey levels.
    found : ndarray
        (n,) bool: sources of the target that the output shows too; the others are misses.
    genuine : ndarray
        (m,) bool: sources of the output that the target shows too; the others are hallucinations.
    output_positions : ndarray
        (m, 2) float64, x and y of the output's sources, px.
    """

    target_magnitude: np.ndarray
    found: np.ndarray
    output_magnitude: np.ndarray
    genuine: np.ndarray
    output_positions: np.ndarray

    @property
    def hallucinations(self) -> int:
        """Sources of the output without a counterpart."""
        return int((~self.genuine).sum())

    @property
    def misses(self) -> int:
        """Sources of the target without a counterpart."""
        return int((~self.found).sum())


@dataclass(frozen=True)
class _Sky:
    """A smoothed image above its sky, and the noise of it."""

    image: np.ndarray
    noise: float


def match_sources(output: np.ndarray, target: np.ndarray, settings: DetectionSettings | None = None) -> Match:
    """Find the sources of two images of one field and match them.

    Parameters
    ----------
    output, target : ndarray
        (H, W) or (H, W, C), same shape, grey levels; bands are averaged.
    settings : DetectionSettings, optional

    Raises
    ------
    ValueError
        The shapes differ.
    """
    settings = settings or DetectionSettings()
    if output.shape[:2] != target.shape[:2]:
        raise ValueError(f"images of {output.shape} and {target.shape} px show no common field: expected one shape")
    skies = [_sky(image, settings) for image in (output, target)]
    noise = max(skies[0].noise, skies[1].noise)
    limits = (noise, skies[1].noise)  # an output is never searched below its target's noise; a target at its own
    (output_xy, output_flux), (target_xy, target_flux) = (
        _sources(sky.image, settings.threshold * limit, settings.pixels)
        for sky, limit in zip(skies, limits, strict=True)
    )
    faint = [_segments(sky.image, settings.counterpart * noise, settings.pixels) for sky in skies]
    return Match(
        target_magnitude=-2.5 * np.log10(target_flux),
        found=_near(target_xy, faint[0], settings.radius),
        output_magnitude=-2.5 * np.log10(output_flux),
        genuine=_near(output_xy, faint[1], settings.radius),
        output_positions=output_xy,
    )


def by_magnitude(matches: list[Match]) -> pd.DataFrame:
    """Completeness and contamination by magnitude, over many images.

    Returns
    -------
    DataFrame
        One row per magnitude from bright to faint: magnitude (of the bin's centre; bins are 1 mag wide), targets,
        found, completeness (share found of the targets of that magnitude), outputs, hallucinations, contamination
        (share invented of the outputs of that magnitude). Shares of nothing are NaN.
    """
    columns = {
        "targets": _joined(matches, "target_magnitude"),
        "outputs": _joined(matches, "output_magnitude"),
    }
    found, genuine = _joined(matches, "found").astype(bool), _joined(matches, "genuine").astype(bool)
    both = np.concatenate(list(columns.values()))
    if not len(both):
        names = ("magnitude", "targets", "found", "completeness", "outputs", "hallucinations", "contamination")
        return pd.DataFrame({name: np.empty(0) for name in names})
    first, last = math.floor(both.min()), math.floor(both.max())
    edges = np.arange(max(first, last - _MAX_BINS), last + 2)
    counted = {name: np.histogram(values, edges)[0] for name, values in columns.items()}
    counted["found"] = np.histogram(columns["targets"][found], edges)[0]
    counted["hallucinations"] = np.histogram(columns["outputs"][~genuine], edges)[0]
    with np.errstate(invalid="ignore"):
        completeness = counted["found"] / counted["targets"]
        contamination = counted["hallucinations"] / counted["outputs"]
    return pd.DataFrame(
        {
            "magnitude": edges[:-1] + 0.5,
            "targets": counted["targets"],
            "found": counted["found"],
            "completeness": completeness,
            "outputs": counted["outputs"],
            "hallucinations": counted["hallucinations"],
            "contamination": contamination,
        }
    )


def _joined(matches: list[Match], name: str) -> np.ndarray:
    return np.concatenate([getattr(match, name) for match in matches]) if matches else np.empty(0)


def _sky(image: np.ndarray, settings: DetectionSettings) -> _Sky:
    from scipy.ndimage import gaussian_filter

    grey = image.mean(axis=2, dtype=np.float64) if image.ndim == 3 else image.astype(np.float64)
    if settings.smoothing:
        grey = gaussian_filter(grey, settings.smoothing / FWHM, mode="nearest")
    pixels = grey.ravel()
    deviation = 0.0
    for _ in range(5):  # sources are clipped away from above and below
        middle = np.median(pixels)
        deviation = 1.4826 * float(np.median(np.abs(pixels - middle)))
        near = np.abs(pixels - middle) <= 3 * max(deviation, LEAST_NOISE)
        if near.all():
            break
        pixels = pixels[near]
    return _Sky(grey - np.median(pixels), max(deviation, LEAST_NOISE))


def _segments(image: np.ndarray, height: float, pixels: int) -> Any:
    """Segmentation image of what rises above `height`, or None where nothing does."""
    import warnings

    from photutils.segmentation import detect_sources

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no sources
        return detect_sources(image, height, pixels)


def _sources(image: np.ndarray, height: float, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids, (n, 2) x and y, and fluxes, (n,), of what rises above `height`."""
    from scipy.ndimage import center_of_mass, sum_labels

    segments = _segments(image, height, pixels)
    if segments is None:
        return np.empty((0, 2)), np.empty(0)
    centroids = np.array(center_of_mass(image, segments.data, segments.labels))[:, ::-1]
    return centroids, sum_labels(image, segments.data, segments.labels)


def _near(positions: np.ndarray, segments: Any, radius: float) -> np.ndarray:
    """Whether any segment lies within `radius` of each position."""
    if segments is None or not len(positions):
        return np.zeros(len(positions), bool)
    rows, columns = np.indices(segments.data.shape)
    lit = segments.data > 0
    y, x = rows[lit], columns[lit]
    # a pixel's square reaches half a pixel beyond its centre
    reach = (radius + 0.5) ** 2
    return np.array([bool(((x - px) ** 2 + (y - py) ** 2 <= reach).any()) for px, py in positions])
