"""Galaxies drawn from Sersic profiles, in the look of SDSS thumbnails: training data that needs no download.

Each image is a bulge and a disc (`astropy.modeling.models.Sersic2D`), the disc seen at a random inclination and
with spiral arms for some, blurred by the seeing, among field stars, background galaxies and now and then a
neighbour, with sky noise, and an asinh stretch of three bands to red, green and blue (Lupton et al. 2004). The frame
is 8.5 Petrosian radii wide, as that of Galaxy Zoo 2 (Willett et al. 2013), so lengths below are in 1/64 of its width.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan.data import DataError, GalaxySet, read_manifest, write_galaxy_set

if TYPE_CHECKING:
    import pandas as pd

RECIPE = 1  # raise it when the same seed gives other images
CHUNK = 32  # images share random streams in chunks of this many, so that image i does not depend on n
FRAME = 64.0  # width of the frame in the unit of length used here
MIN_GRID = 128  # galaxies are drawn on a grid at least this fine before the seeing blurs them

Parameters = dict[str, np.ndarray]


def draw(
    n: int, *, size: int = 64, seed: int = 0, field: bool = True, noise: bool = True, jobs: int | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw `n` galaxies.

    The galaxy of image `i` depends on `seed` and `i` only, not on `n`, `size` or `jobs`.

    Parameters
    ----------
    n : int
        Number of images.
    size : int
        Side of the images, px.
    seed : int
        Seed of all random numbers.
    field, noise : bool
        Draw stars and neighbours, and sky noise.
    jobs : int, optional
        Threads; default all cores.

    Returns
    -------
    images : ndarray
        (n, size, size, 3) uint8.
    truth : DataFrame
        One row per image: id; kind ("elliptical" or "disc"); ellipticity (1 - b/a of the outer isophotes); position_angle
        (deg above the horizontal, y up, in (-90, 90]); semi_major_axis (half-light, of the larger component, px of these images);
        flux (sum of the linear i+r+g band flux over three, in units of the sky noise of one 1/64 px); bulge_fraction; sersic_index
        (of the bulge); seeing (FWHM, px of these images); n_stars, n_neighbours.
    """
    import pandas as pd

    if n < 1:
        raise DataError(f"n = {n}: expected 1 or more images")
    if size < 8:
        raise DataError(f"size = {size}: expected 8 px or more")

    def chunk(k: int) -> tuple[np.ndarray, Parameters]:
        parameters = draw_parameters(np.random.default_rng([RECIPE, seed, k]))
        return render(parameters, size, np.random.default_rng([RECIPE, seed, k, size]), field, noise), parameters

    images = np.empty((n, size, size, 3), np.uint8)
    rows: list[Parameters] = []
    chunks = range((n + CHUNK - 1) // CHUNK)
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        for k, (block, parameters) in enumerate(pool.map(chunk, chunks)):
            images[k * CHUNK : (k + 1) * CHUNK] = block[: n - k * CHUNK]
            rows.append(parameters)
    columns = {key: np.concatenate([row[key] for row in rows])[:n] for key in rows[0] if rows[0][key].ndim == 1}
    truth = pd.DataFrame(
        {
            "id": [f"synthetic_{seed}_{i}" for i in range(n)],
            "kind": np.where(columns["disc"], "disc", "elliptical"),
            "ellipticity": columns["ellipticity"],
            "position_angle": -((np.degrees(columns["theta"]) + 90) % 180 - 90) % 180,
            "semi_major_axis": columns["radius"] * size / FRAME,
            "flux": columns["flux"],
            "bulge_fraction": columns["bulge_fraction"],
            "sersic_index": columns["bulge_index"],
            "seeing": columns["seeing"] * size / FRAME,
            "n_stars": columns["n_stars"],
            "n_neighbours": columns["n_neighbours"],
        }
    )
    angle = truth["position_angle"].to_numpy()
    truth["position_angle"] = np.where(angle > 90, angle - 180, angle)
    return images, truth


def synthetic_set(path: str | os.PathLike[str], n: int, *, sizes: tuple[int, ...] = (64,), seed: int = 0) -> GalaxySet:
    """The galaxy set of `n` synthetic galaxies at `path`: made if it is not there, else opened.

    Raises
    ------
    DataError
        If `path` holds something else, or cannot be written.
    """
    path = Path(path)
    source = {"kind": "synthetic", "recipe": RECIPE, "n": n, "seed": seed, "path": "synthetic"}
    sizes = tuple(sorted({int(size) for size in sizes}))
    if not _is_there(path, source, sizes):
        drawn = {size: draw(n, size=size, seed=seed) for size in sizes}
        _, truth = drawn[sizes[0]]
        index = truth.assign(source="synthetic", width=sizes[0], height=sizes[0])
        about = {"source": source, "transform": {"filter": "drawn"}, "refused": []}
        try:
            return write_galaxy_set(path, {size: images for size, (images, _) in drawn.items()}, index, about=about)
        except DataError:
            if not _is_there(path, source, sizes):  # someone else made the same set meanwhile
                raise
    return GalaxySet.open(path)


def _is_there(path: Path, source: dict, sizes: tuple[int, ...]) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    manifest = read_manifest(path)
    if manifest.get("source") == source and tuple(sorted(map(int, manifest["arrays"]))) == sizes:
        return True
    raise DataError(f"{path} holds another galaxy set (source {manifest.get('source')}); give another folder")


def draw_parameters(rng: np.random.Generator, n: int = CHUNK) -> Parameters:
    """Random galaxies and their fields: one array per quantity, the first axis over `n` galaxies."""
    p: Parameters = {}
    radius_arcsec = np.clip(8.5 * np.exp(0.40 * rng.standard_normal(n)), 4, 30)  # Petrosian R90
    p["arcsec"] = 8.48 * radius_arcsec / FRAME  # arcsec per unit length
    p["seeing"] = 1.35 * np.exp(0.1 * rng.standard_normal(n)) / p["arcsec"]
    p["disc"] = rng.random(n) < 0.68
    p["bulge_fraction"] = np.where(p["disc"], rng.beta(1.5, 4.5, n), 1.0)
    p["bulge_index"] = np.where(p["disc"], rng.uniform(1, 3, n), rng.uniform(2.2, 4.5, n))
    cos_i, thickness = rng.random(n), rng.uniform(0.12, 0.25, n)
    axis_ratio = np.where(
        p["disc"], np.sqrt(cos_i**2 * (1 - thickness**2) + thickness**2), 1 - 0.55 * rng.beta(1.6, 2.2, n)
    )
    p["ellipticity"] = 1 - axis_ratio
    p["bulge_ellipticity"] = np.where(p["disc"], 0.5 * p["ellipticity"], p["ellipticity"])
    p["theta"] = rng.uniform(0, np.pi, n)  # of the major axis, y down
    scatter = np.exp(0.16 * rng.standard_normal(n))
    p["radius"] = np.where(p["disc"], 3.4, 2.7) * scatter * (1 + 0.25 * p["ellipticity"])
    p["bulge_radius"] = np.where(p["disc"], p["radius"] * rng.uniform(0.15, 0.45, n), p["radius"])
    p["x"], p["y"] = rng.normal(0, 0.25, (2, n))
    # surface brightness: from a magnitude-limited sample, in units of the sky noise
    p["flux"] = 1150 * np.exp(0.35 * rng.standard_normal(n)) * scatter**1.2
    _draw_colours(rng, p, n)
    _draw_arms(rng, p, n)
    _draw_field(rng, p, n)
    p["sky"] = np.clip(rng.normal(1.1, 0.45, n), 0.2, None)
    p["noise"] = np.exp(0.25 * rng.standard_normal(n))
    return p


def _draw_colours(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Ratios of the red (i) and blue (g) band to their mean green (r): old stars red, discs from red to blue."""
    old = np.stack([rng.normal(1.22, 0.05, n), np.ones(n), rng.normal(0.68, 0.06, n)], -1)
    youth = rng.beta(1.6, 1.6, n)[:, None]
    young = np.stack([rng.normal(0.98, 0.05, n), np.ones(n), rng.normal(1.08, 0.08, n)], -1)
    p["bulge_colour"] = old
    p["disc_colour"] = old * (1 - youth) + young * youth
    p["arm_colour"] = young


def _draw_arms(rng: np.random.Generator, p: Parameters, n: int) -> None:
    p["arm_strength"] = np.where(p["disc"] & (rng.random(n) < 0.55), rng.uniform(0.3, 1.0, n), 0.0)
    p["arm_number"] = rng.choice([1.0, 2.0, 2.0, 2.0, 3.0, 4.0], n)
    p["arm_winding"] = rng.choice([-1, 1], n) / np.tan(np.radians(rng.uniform(10, 28, n)))
    p["arm_phase"] = rng.uniform(0, 2 * np.pi, n)


def _draw_field(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Stars and small galaxies as Moffat profiles, and a few large neighbours."""
    area = (FRAME * p["arcsec"] / 60) ** 2  # square arcmin
    p["n_stars"] = rng.poisson(2.2 * area)
    p["n_neighbours"] = rng.poisson(3.0 * area)
    total = p["n_stars"] + p["n_neighbours"]
    owner = np.repeat(np.arange(n), total)
    k = len(owner)
    star = (
        np.concatenate([np.arange(t) < s for t, s in zip(total, p["n_stars"], strict=True)]) if k else np.zeros(0, bool)
    )
    seeing = p["seeing"][owner]
    flux = np.where(star, 25 * rng.pareto(0.55, k) + 10, 25 * rng.pareto(1.3, k) + 15)
    extent = rng.gamma(3, 0.35, k) / p["arcsec"][owner]
    temperature = np.where(
        star, rng.choice([0.0, 1.0], k, p=[0.45, 0.55]) + rng.normal(0, 0.15, k), rng.normal(0.9, 0.25, k)
    )
    t = temperature[:, None]
    colour = (1 - t) * np.array([0.85, 1.0, 1.15]) + t * np.array([1.35, 1.0, 0.5])
    p["field"] = np.column_stack(
        [
            owner,
            rng.uniform(-FRAME / 2 - 2, FRAME / 2 + 2, (k, 2)),
            np.clip(flux, 0, 60000) / p["arcsec"][owner] ** 2,
            np.where(star, seeing, np.hypot(seeing, 1.6 * extent)),
            np.where(star, 0.0, rng.beta(2, 3, k)),
            rng.uniform(0, np.pi, k),
            np.clip(colour, 0.05, None),
        ]
    )


def render(p: Parameters, size: int, rng: np.random.Generator, field: bool, noise: bool) -> np.ndarray:
    """Images of the galaxies `p`, (n, size, size, 3) uint8."""
    light = _galaxies(p, size)
    if field:
        _add_field(light, p, size)
    light += (0.9 * p["sky"])[:, None, None, None].astype(np.float32)
    if noise:
        _add_noise(light, p, rng)
    return _stretch(light)


def _axis(size: int, samples: int) -> np.ndarray:
    """Sample positions along one side, with `samples` positions for `size` pixels, 0 at the centre of the frame."""
    step = FRAME / size
    return ((np.arange(samples) * (size / samples)) - (size - 1) / 2).astype(np.float32) * np.float32(step)


def _galaxies(p: Parameters, size: int) -> np.ndarray:
    """Noise-free bulge and disc blurred by the seeing, (n, size, size, 3) float32."""
    from astropy.modeling.models import Sersic2D
    from scipy import fft
    from scipy.special import gamma, gammaincinv

    factor = -(-MIN_GRID // size)
    axis = _axis(size, size * factor)
    y, x = axis[None, :, None], axis[None, None, :]

    def column(key: str) -> np.ndarray:
        return p[key].astype(np.float32)[:, None, None]

    def profile(index: np.ndarray, radius: np.ndarray, ellipticity: np.ndarray) -> np.ndarray:
        """Sersic profile of unit total flux."""
        b = gammaincinv(2 * index, 0.5)
        total = 2 * np.pi * index * np.exp(b) * b ** (-2 * index) * gamma(2 * index) * radius**2 * (1 - ellipticity)
        return Sersic2D.evaluate(
            x, y, (1 / total).astype(np.float32), radius, index, column("x"), column("y"), ellipticity, column("theta")
        )

    bulge = profile(column("bulge_index"), column("bulge_radius"), column("bulge_ellipticity"))
    disc = np.zeros_like(bulge)
    arms = np.zeros_like(bulge)
    chosen = np.flatnonzero(p["disc"])
    if len(chosen):
        q = {key: value[chosen] for key, value in p.items() if key != "field"}
        disc[chosen], arms[chosen] = _disc(q, x, y)
    flux, share = column("flux"), column("bulge_fraction")
    bulge *= flux * share
    disc *= flux * (1 - share)
    arms *= disc
    transfer = _transfer(p["seeing"], size, factor)
    light = np.empty((len(bulge), size, size, 3), np.float32)
    for band in range(3):
        colours = [
            p[key][:, band].astype(np.float32)[:, None, None] for key in ("bulge_colour", "disc_colour", "arm_colour")
        ]
        image = bulge * colours[0] + disc * colours[1] + arms * colours[2]
        spectrum = fft.rfft2(image)
        spectrum *= transfer
        light[..., band] = fft.irfft2(spectrum, s=image.shape[1:])[:, ::factor, ::factor]
    return light


def _disc(p: Parameters, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exponential disc of unit flux, and the factor by which arms brighten it."""
    from astropy.modeling.models import Sersic2D

    def column(key: str) -> np.ndarray:
        return p[key].astype(np.float32)[:, None, None]

    radius, ellipticity, theta = column("radius"), column("ellipticity"), column("theta")
    total = 2 * np.pi * np.exp(1.6783) / 1.6783**2 * radius**2 * (1 - ellipticity)
    one = np.ones_like(radius)
    disc = Sersic2D.evaluate(x, y, 1 / total, radius, one, column("x"), column("y"), ellipticity, theta)
    dx, dy = x - column("x"), y - column("y")
    major = dx * np.cos(theta) + dy * np.sin(theta)
    minor = (dy * np.cos(theta) - dx * np.sin(theta)) / np.maximum(1 - ellipticity, 0.15)
    r = np.sqrt(major**2 + minor**2) / radius + np.float32(1e-3)
    phase = column("arm_number") * (np.arctan2(minor, major) - column("arm_winding") * np.log(r)) + column("arm_phase")
    contrast = column("arm_strength") * (r**2 / (0.25 + r**2))
    arms = contrast * (1.6 * np.exp(2.0 * (np.cos(phase) - 1)) - 0.5)
    return disc, np.maximum(arms, -0.85)


def _transfer(seeing: np.ndarray, size: int, factor: int) -> np.ndarray:
    """Fourier transform of the seeing: two Gaussians, a core and a fainter wing."""
    from scipy import fft

    step = FRAME / size / factor
    ky, kx = fft.fftfreq(size * factor, step), fft.rfftfreq(size * factor, step)
    k2 = (ky[:, None] ** 2 + kx[None, :] ** 2)[None].astype(np.float32)
    sigma2 = ((seeing / 2.3548) ** 2).astype(np.float32)[:, None, None]
    return 0.9 * np.exp(-2 * np.pi**2 * sigma2 * k2) + 0.1 * np.exp(-2 * np.pi**2 * 9 * sigma2 * k2)


def _add_field(light: np.ndarray, p: Parameters, size: int) -> None:
    """Add stars and small galaxies in place: elliptical Moffat profiles (beta = 3), each on a stamp of its own."""
    scale = size / FRAME
    axis = _axis(size, size)
    for row in p["field"]:
        owner, x, y, flux, fwhm, ellipticity, theta = int(row[0]), *row[1:7]
        fwhm = max(fwhm, 0.8 / scale)
        reach = fwhm * (3 + (flux / 20) ** 0.3)
        columns = slice(*np.searchsorted(axis, [x - reach, x + reach]))
        lines = slice(*np.searchsorted(axis, [y - reach, y + reach]))
        dx, dy = axis[None, columns] - x, axis[lines, None] - y
        major, minor = (
            dx * np.cos(theta) + dy * np.sin(theta),
            (dy * np.cos(theta) - dx * np.sin(theta)) / (1 - ellipticity),
        )
        alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / 3) - 1)
        shape = (1 + (major**2 + minor**2) / alpha2) ** -3 * (flux * 2 / (np.pi * alpha2 * (1 - ellipticity)))
        light[owner, lines, columns] += shape[..., None] * row[7:10]


def _add_noise(light: np.ndarray, p: Parameters, rng: np.random.Generator) -> None:
    """Sky noise in place: brightness noise little correlated from pixel to pixel, colour noise more (JPEG)."""
    n, size = light.shape[:2]
    brightness = _smooth(rng.standard_normal((n, size, size, 1), np.float32), 0.18)
    colour = _smooth(_smooth(rng.standard_normal((n, size, size, 3), np.float32), 0.5), 0.5)
    level = p["noise"].astype(np.float32)[:, None, None, None]
    light += level * (brightness + 0.6 * colour)


def _smooth(image: np.ndarray, weight: float) -> np.ndarray:
    """Correlate neighbouring pixels, keeping unit variance."""
    for axis in (1, 2):
        image = image + weight * (np.roll(image, 1, axis) + np.roll(image, -1, axis))
    return image / np.float32(1 + 2 * weight**2)


def _stretch(light: np.ndarray) -> np.ndarray:
    """Lupton et al. (2004): asinh of the mean of the bands, colours kept also where a band saturates."""
    mean = light.mean(-1, keepdims=True)
    softening = np.float32(12.0)
    factor = np.where(
        np.abs(mean) > 1e-3, np.arcsinh(mean / softening) * softening / np.where(mean == 0, 1, mean), 1
    ) * np.float32(3.7)
    colours = light * factor
    colours *= 255 / np.maximum(colours.max(-1, keepdims=True), 255)
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)
