"""Mean radial power spectra: what the shapes of galaxies cannot see.

A faint checkerboard, a blur or a change in the noise leave every isophote where it is and
change the power at high spatial frequencies. Each image is made grey (mean of its channels),
freed of its mean, Fourier transformed, and its power averaged over rings of spatial frequency
out to the corner of the Fourier plane, where a checkerboard lives; the logarithms are averaged
over the images. The distance between two sets is the root mean square difference of the two
mean log spectra, in dex.

No window is applied by default: on Galaxy Zoo images a Hann window finds checkerboards, blur
and noise no better (`benchmarks/spectra.py`), and without it a pattern of period 2 px stays in
one mode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Window = Literal["none", "hann"]

ROUNDING = 1 / 12
"""Variance of rounding to whole numbers, DN^2 per mode: the least power that an integer image can show."""
FLOAT_FLOOR = 1e-12
"""The same for float images, which have no such unit: keeps the logarithm of a constant image finite."""
_CHUNK_PIXELS = 1 << 21


@dataclass(frozen=True, kw_only=True)
class SpectrumComparison:
    """Mean log power spectra of two sets of images, and how far apart they are.

    Attributes
    ----------
    distance : float
        Root mean square difference of the mean log10 spectra over all rings, dex.
    floor : float or None
        What two disjoint sets of real images of these sizes give: mean over random halves of the
        real set, scaled. None for fewer than 4 real images.
    frequency : ndarray
        (rings,) float64, cycles per pixel.
    real, generated : ndarray
        (rings,) float64, mean log10 power; white noise of variance s^2 has power s^2 in every ring.
    real_band, generated_band : ndarray
        (2, rings) float64, the 16th and 84th percentile over images.
    """

    distance: float
    floor: float | None
    frequency: np.ndarray = field(repr=False)
    real: np.ndarray = field(repr=False)
    generated: np.ndarray = field(repr=False)
    real_band: np.ndarray = field(repr=False)
    generated_band: np.ndarray = field(repr=False)

    def metrics(self) -> dict[str, float]:
        """`spectrum` and `spectrum_floor`, where defined."""
        values = {"spectrum": self.distance, "spectrum_floor": self.floor}
        return {name: float(value) for name, value in values.items() if value is not None}


def log_power_spectra(images: Any, *, window: Window = "none") -> tuple[np.ndarray, np.ndarray]:
    """Log10 of the radial power spectrum of every image.

    Parameters
    ----------
    images : array_like
        (N, H, W) or (N, H, W, C), square, uint8 or float; may be a memory map.
        Images with pixels that are not finite are left out.
    window : {"none", "hann"}
        Taper of the images before the transform; its mean square is divided out.

    Returns
    -------
    frequency : ndarray
        (rings,) float64 in cycles per pixel: k / H for k = 1 .. round(H / sqrt(2)).
    spectra : ndarray
        (n, rings) float32, n <= N.

    Raises
    ------
    ValueError
        The images are not a stack of squares of at least 4 px.
    """
    images = np.asanyarray(images)
    if images.ndim not in (3, 4) or images.shape[1] != images.shape[2] or images.shape[1] < 4:
        raise ValueError(f"images of shape {images.shape} have no spectrum: expected (N, H, H) or (N, H, H, C), H >= 4")
    size = images.shape[1]
    rings, ring_starts, ring_weight, order = _rings(size)
    taper = _taper(size, window)
    floor = ROUNDING if np.issubdtype(images.dtype, np.integer) else FLOAT_FLOOR
    chunk = max(1, _CHUNK_PIXELS // size**2)
    spectra = [np.empty((0, rings), np.float32)]
    for start in range(0, len(images), chunk):
        grey = _grey(images[start : start + chunk])
        grey = grey[np.isfinite(grey).all(axis=(1, 2))]
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        transform = np.fft.rfft2(grey * taper)
        power = (transform.real**2 + transform.imag**2).reshape(len(grey), len(order)) * ring_weight
        mean_power = np.add.reduceat(power[:, order], ring_starts, axis=1)[:, 1:]
        spectra.append(np.log10(mean_power + floor).astype(np.float32))
    return np.arange(1, rings + 1) / size, np.concatenate(spectra)


def radial_power_spectrum(images: Any, *, window: Window = "none") -> tuple[np.ndarray, np.ndarray]:
    """Mean log10 radial power spectrum of a set of images.

    Parameters are those of `log_power_spectra`.

    Returns
    -------
    frequency : ndarray
        (rings,) float64, cycles per pixel.
    log_power : ndarray
        (rings,) float64; NaN when no image is finite.
    """
    frequency, spectra = log_power_spectra(images, window=window)
    return frequency, _mean(spectra)


def spectrum_distance(real_images: Any, generated_images: Any, *, window: Window = "none") -> float:
    """Root mean square difference of two mean log10 radial power spectra, dex.

    Parameters are those of `compare_spectra`, without its floor.
    """
    _require_same_size(real_images, generated_images)
    means = [radial_power_spectrum(images, window=window)[1] for images in (real_images, generated_images)]
    return _root_mean_square(means[0] - means[1])


def compare_spectra(
    real_images: Any, generated_images: Any, *, window: Window = "none", seed: int = 0, splits: int = 20
) -> SpectrumComparison:
    """Compare the mean radial power spectra of two sets of images.

    Parameters
    ----------
    real_images, generated_images : array_like
        (N, H, H) or (N, H, H, C); H must agree, N and C need not. Both integer or both float.
    window : {"none", "hann"}
        See `log_power_spectra`.
    seed, splits : int
        Random halves of the real set, and how many, behind the floor.

    Raises
    ------
    ValueError
        The sides differ, or one set has no finite image.
    """
    _require_same_size(real_images, generated_images)
    frequency, real = log_power_spectra(real_images, window=window)
    _, generated = log_power_spectra(generated_images, window=window)
    for name, spectra in (("real", real), ("generated", generated)):
        if not len(spectra):
            raise ValueError(f"the {name} set has no image with finite pixels: expected one or more")
    return SpectrumComparison(
        distance=_root_mean_square(_mean(real) - _mean(generated)),
        floor=_floor(real, len(generated), splits, np.random.default_rng(seed)),
        frequency=frequency,
        real=_mean(real),
        generated=_mean(generated),
        real_band=np.percentile(real, [16, 84], axis=0),
        generated_band=np.percentile(generated, [16, 84], axis=0),
    )


def _require_same_size(real_images: Any, generated_images: Any) -> None:
    real, generated = np.shape(real_images), np.shape(generated_images)
    if real[1:3] != generated[1:3]:
        raise ValueError(f"spectra of {real[1:3]} and {generated[1:3]} px images cannot be compared: expected one size")


def _floor(real: np.ndarray, n_generated: int, splits: int, rng: np.random.Generator) -> float | None:
    n, half = len(real), len(real) // 2
    if half < 2:
        return None
    total, distances = real.sum(axis=0, dtype=np.float64), []
    for _ in range(splits):
        first = real[rng.permutation(n)[:half]].sum(axis=0, dtype=np.float64)
        distances.append(_root_mean_square(first / half - (total - first) / (n - half)))
    return float(np.mean(distances) * math.sqrt((1 / n + 1 / n_generated) / (1 / half + 1 / (n - half))))


def _mean(spectra: np.ndarray) -> np.ndarray:
    return spectra.mean(axis=0, dtype=np.float64) if len(spectra) else np.full(spectra.shape[1], np.nan)


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _grey(images: np.ndarray) -> np.ndarray:
    if images.ndim == 4:
        return np.asarray(images.mean(axis=3, dtype=np.float32))
    return images.astype(np.float32)


def _taper(size: int, window: str) -> np.ndarray:
    if window == "none":
        return np.ones((size, size), np.float32)
    if window != "hann":
        raise ValueError(f"window = {window!r} does not work: expected 'none' or 'hann'")
    edge = np.hanning(size + 2)[1:-1]
    taper = np.outer(edge, edge)
    return np.asarray(taper / np.sqrt(np.mean(taper**2)), np.float32)


def _rings(size: int) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Rings of the half plane of `rfft2`, the zero frequency first.

    Returns the number of rings, where each begins in the sorted modes, the weight of every mode
    (so that summing a ring gives its mean power per pixel), and the order that sorts the modes.
    """
    rows = np.minimum(np.arange(size), size - np.arange(size))[:, None]
    columns = np.arange(size // 2 + 1)[None]
    ring = np.rint(np.hypot(rows, columns)).astype(int).ravel()
    # A mode of the half plane stands for its mirror image too, unless it is its own column's mirror.
    own_mirror = (columns == 0) | ((columns == size // 2) & (size % 2 == 0))
    multiplicity = np.broadcast_to(np.where(own_mirror, 1.0, 2.0), (size, size // 2 + 1)).ravel()
    weight = multiplicity / np.bincount(ring, weights=multiplicity)[ring] / size**2
    order = np.argsort(ring, kind="stable")
    starts = np.flatnonzero(np.diff(ring[order], prepend=-1))
    return len(starts) - 1, starts, weight.astype(np.float32), order
