"""From the numbers of `gan.datasets.synthetic_population` to images: profiles, seeing, field, noise and stretch."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan.datasets.synthetic_population import FRAME, KNOTS, Parameters

MIN_GRID = 128  # galaxies are drawn on a grid at least this fine before the seeing blurs them
BLOCKS = 27  # blocks of 16 px, in which JPEG keeps colour, along the 424 px of an SDSS thumbnail
SOFTENING, GAIN = np.float32(10.5), np.float32(3.6)  # of the asinh stretch: sky noises, and grey levels per sky noise


def render(p: Parameters, size: int, rng: np.random.Generator, *, field: bool = True, noise: bool = True) -> np.ndarray:
    """Turn the numbers of galaxies into images.

    Parameters
    ----------
    p : dict of str to ndarray
        From `gan.datasets.synthetic_population.draw_parameters`.
    size : int
        Side, px.
    rng : Generator
        Of the noise.
    field : bool
        With stars and neighbours.
    noise : bool
        With noise.

    Returns
    -------
    ndarray, (n, size, size, 3) uint8
    """
    light = _galaxies(p, size)
    if field:
        _add_field(light, p, size)
    light += p["sky_colour"].astype(np.float32)[:, :, None, None]
    if noise:
        _add_noise(light, p, rng)
    return _stretch(light)


def _axis(size: int, factor: int = 1) -> np.ndarray:
    """Sample positions along one side of `size` px, `factor` a pixel, the first of each at the pixel's centre."""
    return ((np.arange(size * factor) / factor - (size - 1) / 2) * (FRAME / size)).astype(np.float32)


def _column(p: Parameters, key: str) -> np.ndarray:
    return p[key].astype(np.float32)[:, None, None]


def _galaxies(p: Parameters, size: int) -> np.ndarray:
    """Noise-free bulge and disc blurred by the seeing, (n, 3, size, size) float32."""
    from scipy import fft

    factor = -(-MIN_GRID // size)
    axis = _axis(size, factor)
    bulge = _bulge(p, axis)
    chosen = np.flatnonzero(p["disc"])
    disc, arms = _disc({key: value[chosen] for key, value in p.items() if key != "field"}, axis)
    transfer = _transfer(p["seeing"], size, factor)
    light = np.empty((len(bulge), 3, size, size), np.float32)
    for band in range(3):
        image = bulge * p["bulge_colour"][:, band].astype(np.float32)[:, None, None]
        colours = [p[key][chosen, band].astype(np.float32)[:, None, None] for key in ("disc_colour", "arm_colour")]
        image[chosen] += disc * (colours[0] + arms * colours[1])
        spectrum = fft.rfft2(image, overwrite_x=True)
        spectrum *= transfer
        light[:, band] = fft.irfft2(spectrum, s=image.shape[1:], overwrite_x=True)[:, ::factor, ::factor]
    return light


def _total(index: np.ndarray, radius: np.ndarray, ellipticity: np.ndarray) -> np.ndarray:
    """Flux of a Sersic profile of amplitude 1 (Graham & Driver 2005, eq. 4), float32."""
    from scipy.special import gamma, gammaincinv

    b = gammaincinv(2 * index, 0.5)
    total = 2 * np.pi * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index) * radius**2 * (1 - ellipticity)
    return total.astype(np.float32)


def _bulge(p: Parameters, axis: np.ndarray) -> np.ndarray:
    from astropy.modeling.models import Sersic2D

    index, radius, ellipticity = _column(p, "bulge_index"), _column(p, "bulge_radius"), _column(p, "bulge_ellipticity")
    amplitude = _column(p, "flux") * _column(p, "bulge_fraction") / _total(index, radius, ellipticity)
    x, y = axis[None, None, :], axis[None, :, None]
    place = _column(p, "x"), _column(p, "y")
    profile = Sersic2D.evaluate(x, y, amplitude, radius, index, *place, ellipticity, _column(p, "theta"))
    return profile.astype(np.float32, copy=False)


def _disc(p: Parameters, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Discs, and the factor by which arms brighten (or the gaps between them darken) them."""
    from astropy.modeling.models import Sersic2D

    radius, ellipticity, theta = _column(p, "radius"), _column(p, "ellipticity"), _column(p, "theta")
    index = _column(p, "disc_index")
    amplitude = _column(p, "flux") * (1 - _column(p, "bulge_fraction")) / _total(index, radius, ellipticity)
    x, y = axis[None, None, :], axis[None, :, None]
    place = _column(p, "x"), _column(p, "y")
    disc = Sersic2D.evaluate(x, y, amplitude, radius, index, *place, ellipticity, theta)
    disc = disc.astype(np.float32, copy=False)
    disc *= np.exp(_column(p, "clumpiness") * _clumps(p, axis))

    dx, dy = x - place[0], y - place[1]
    major = (dx * np.cos(theta) + dy * np.sin(theta)) / radius
    minor = (dy * np.cos(theta) - dx * np.sin(theta)) / (radius * np.maximum(1 - ellipticity, 0.2))
    r2 = major**2 + minor**2 + np.float32(1e-4)
    turn = np.arctan2(minor, major) - np.float32(0.5) * _column(p, "arm_winding") * np.log(r2)
    wave = np.exp(2 * np.cos(_column(p, "arm_number") * turn + _column(p, "arm_phase")) - 2)
    arms = _column(p, "arm_strength") * (r2 / (np.float32(0.25) + r2)) * (np.float32(1.7) * wave - np.float32(0.5))
    return disc, arms


def _clumps(p: Parameters, axis: np.ndarray) -> np.ndarray:
    """Smooth (band-limited) random field of about unit variance at the sample positions."""
    from scipy import fft

    samples = len(axis)
    spectrum = fft.rfft2(p["clumps"])
    ky, kx = fft.fftfreq(KNOTS, 1 / KNOTS), fft.rfftfreq(KNOTS, 1 / KNOTS)
    falloff = np.exp(-0.5 * (ky[:, None] ** 2 + kx**2) / (KNOTS / 4) ** 2)
    offset = 2j * np.pi * float(axis[0]) / FRAME
    spectrum *= (falloff / np.sqrt((falloff**2).mean()) * np.exp(offset * (ky[:, None] + kx))).astype(np.complex64)
    padded = np.zeros((len(spectrum), samples, samples // 2 + 1), np.complex64)
    half = KNOTS // 2
    padded[:, :half, : half + 1] = spectrum[:, :half]
    padded[:, -half:, : half + 1] = spectrum[:, half:]
    return fft.irfft2(padded, s=(samples, samples), norm="forward", overwrite_x=True) / np.float32(KNOTS**2)


def _transfer(seeing: np.ndarray, size: int, factor: int) -> np.ndarray:
    """Fourier transform of the seeing: a Gaussian core, and a tenth of the light in wings three times as wide."""
    from scipy import fft

    step = FRAME / size / factor
    ky, kx = fft.fftfreq(size * factor, step), fft.rfftfreq(size * factor, step)
    k2 = (ky[:, None] ** 2 + kx[None, :] ** 2).astype(np.float32)
    exponent = (-2 * np.pi**2 * (seeing / 2.3548) ** 2).astype(np.float32)[:, None, None] * k2
    core = np.exp(exponent)
    return np.float32(0.92) * core + np.float32(0.08) * np.exp(9 * exponent)


def _add_field(light: np.ndarray, p: Parameters, size: int) -> None:
    """Add stars and other galaxies in place: elliptical Moffat profiles (beta = 3), each on a stamp of its own."""
    axis = _axis(size)
    pixel = FRAME / size
    for owner, x, y, flux, fwhm, ellipticity, theta, *colour in p["field"].tolist():
        fwhm = max(fwhm, 0.8 * pixel)
        alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 3) - 1)
        peak = flux * 2 / (np.pi * alpha2 * (1 - ellipticity))
        reach = min(FRAME, alpha2**0.5 * max(1.0, (peak / 0.1) ** (1 / 6)))  # to a tenth of the sky noise
        columns, lines = _window(axis, pixel, x, reach), _window(axis, pixel, y, reach)
        dx, dy = axis[None, columns] - x, axis[lines, None] - y
        c, s = np.cos(theta), np.sin(theta)
        r2 = (dx * c + dy * s) ** 2 + ((dy * c - dx * s) / (1 - ellipticity)) ** 2
        profile = np.float32(peak) / (1 + r2 / np.float32(alpha2)) ** 3
        light[int(owner), :, lines, columns] += np.asarray(colour, np.float32)[:, None, None] * profile


def _window(axis: np.ndarray, pixel: float, centre: float, reach: float) -> slice:
    start = int((centre - reach - axis[0]) / pixel)
    return slice(max(start, 0), max(int((centre + reach - axis[0]) / pixel) + 2, 0))


def _add_noise(light: np.ndarray, p: Parameters, rng: np.random.Generator) -> None:
    """Sky noise in place: of brightness, little correlated between pixels, and of colour, in JPEG's large blocks."""
    n, _, size, _ = light.shape
    blocks = np.minimum(np.arange(size) * BLOCKS // size, BLOCKS - 1)
    colour = rng.standard_normal((n, 3, BLOCKS, BLOCKS), np.float32)[:, :, blocks[:, None], blocks[None, :]]
    colour *= np.array([0.5, 0.35, 0.5], np.float32)[:, None, None]
    brightness = _smooth(rng.standard_normal((n, size, size), np.float32), 0.15 if size <= 64 else 0.3)
    brightness *= np.float32(1.1)
    level = p["noise"].astype(np.float32)[:, None, None, None]
    light += level * (colour + brightness[:, None] * np.array([1.0, 0.95, 0.8], np.float32)[:, None, None])


def _smooth(image: np.ndarray, weight: float) -> np.ndarray:
    """Correlate neighbouring pixels, keeping unit variance."""
    for axis in (1, 2):
        image = image + np.float32(weight) * (np.roll(image, 1, axis) + np.roll(image, -1, axis))
    return image / np.float32(1 + 2 * weight**2)


def _stretch(light: np.ndarray) -> np.ndarray:
    """Lupton et al. (2004): asinh of the mean of the bands; colours are kept, also where a band saturates.

    (n, 3, size, size) float32 in sky noises to (n, size, size, 3) uint8.
    """
    scaled: Any = np.maximum(light.mean(1), np.float32(1e-3)) / SOFTENING
    colours = light * (GAIN * np.arcsinh(scaled) / scaled)[:, None]
    colours *= np.float32(255) / np.maximum(colours.max(1), 255)[:, None]
    np.clip(np.rint(colours, out=colours), 0, 255, out=colours)
    return np.ascontiguousarray(colours.astype(np.uint8).transpose(0, 2, 3, 1))
