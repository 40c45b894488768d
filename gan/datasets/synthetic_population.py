"""Random galaxies, and what else is in their frames: numbers that `gan.datasets.synthetic_render` turns into images.

Lengths are in 1/64 of the frame's width (`FRAME` = 64 of them), x to the right and y down from the centre. The frame is
8.48 Petrosian radii wide as in Galaxy Zoo 2, whatever the galaxy's size on the sky: a small galaxy is seen with a
coarse seeing and few neighbours, a large one sharply and among many. Light is in units of the sky noise at 64 px.
Distributions were adjusted to thumbnails of SDSS, by eye and by the statistics that `benchmarks/synthetic.py` prints.
"""

from __future__ import annotations

import numpy as np

FRAME = 64.0
KNOTS = 32  # knots of the field of clumps along a side

Parameters = dict[str, np.ndarray]

# ratio of the i and g bands to r: old stellar populations, and how far star formation can move them
OLD, TO_YOUNG = np.array([1.29, 1.0, 0.56]), np.array([-0.36, 0.0, 0.7])


def draw_parameters(rng: np.random.Generator, n: int) -> Parameters:
    """Draw random galaxies and their fields.

    Parameters
    ----------
    rng : Generator
        Where they are drawn from.
    n : int
        Number of galaxies.

    Returns
    -------
    dict of str to ndarray
        One array per quantity, the first axis over the galaxies, but for "field": one row per star or neighbour, its
        first column the galaxy's number.
    """
    p: Parameters = {}
    _draw_frame(rng, p, n)
    _draw_shape(rng, p, n)
    _draw_colours(rng, p, n)
    _draw_structure(rng, p, n)
    _draw_field(rng, p, n)
    return p


def _draw_frame(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Scale, seeing and sky."""
    petrosian_radius = np.clip(8.5 * np.exp(0.40 * rng.standard_normal(n)), 4, 30)  # arcsec
    p["arcsec"] = 8.48 * petrosian_radius / FRAME  # per unit of length
    p["seeing"] = 1.35 * np.exp(0.1 * rng.standard_normal(n)) / p["arcsec"]  # FWHM
    bright = rng.random(n) < 0.03  # moonlight, or the halo of a star outside the frame
    p["sky"] = np.clip(rng.normal(1.0, 0.45, n), 0.1, None) + bright * rng.exponential(5.0, n)
    tint = rng.normal(0, 0.25, (n, 3)) + bright[:, None] * rng.normal(0, 1.0, (n, 3))
    p["sky_colour"] = p["sky"][:, None] * np.array([1.0, 0.95, 0.6]) + tint
    p["noise"] = np.exp(0.25 * rng.standard_normal(n)) * (1 + 0.8 * bright)


def _draw_shape(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Bulge and disc: sizes, axis ratios from random inclinations, Sersic indices, light."""
    disc = rng.random(n) < 0.70
    p["disc"] = disc
    p["bulge_fraction"] = np.where(disc, 0.7 * rng.beta(1.2, 3.5, n), 1.0)
    p["bulge_index"] = np.where(disc, rng.uniform(0.8, 2.2, n), rng.uniform(1.3, 2.8, n))
    p["disc_index"] = rng.uniform(0.6, 1.0, n)
    cos_i, thickness = rng.random(n), rng.uniform(0.2, 0.36, n)
    disc_ratio = np.sqrt(cos_i**2 * (1 - thickness**2) + thickness**2)
    p["ellipticity"] = 1 - np.where(disc, disc_ratio, 1 - 0.5 * rng.beta(1.5, 2.2, n))
    p["bulge_ellipticity"] = np.where(disc, 0.6 * p["ellipticity"], p["ellipticity"])
    p["theta"] = rng.uniform(0, np.pi, n)  # of the major axis, from x towards y
    scatter = np.exp(0.2 * rng.standard_normal(n))
    p["radius"] = (
        np.where(disc, 4.45, 3.35) * scatter * (1 + 0.25 * p["ellipticity"])
    )  # half-light, along the major axis
    p["bulge_radius"] = np.where(disc, p["radius"] * rng.uniform(0.2, 0.5, n), p["radius"])
    p["x"], p["y"] = rng.normal(0, 0.25, (2, n))
    p["flux"] = 9800 * np.exp(0.42 * rng.standard_normal(n)) * scatter**1.2


def _draw_colours(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Colours from old to young stars: ellipticals old, discs anything, arms younger than their disc."""
    youth = np.where(p["disc"], rng.beta(1.3, 1.7, n), rng.beta(2.0, 7.0, n))
    arm_youth = youth + (1 - youth) * rng.uniform(0.3, 0.8, n)
    scatter = rng.normal(0, 0.035, (n, 3)) * np.array([1, 0, 1])
    for key, value in (("bulge_colour", 0.8 * youth), ("disc_colour", youth), ("arm_colour", arm_youth)):
        p[key] = OLD + value[:, None] * TO_YOUNG + scatter


def _draw_structure(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Spiral arms (logarithmic) and clumps of discs."""
    spiral = p["disc"] & (rng.random(n) < 0.7)
    p["arm_strength"] = np.where(spiral, rng.uniform(0.4, 1.1, n), 0.0)
    p["arm_number"] = rng.choice([1.0, 2.0, 2.0, 2.0, 3.0, 4.0], n)
    p["arm_winding"] = rng.choice([-1, 1], n) / np.tan(np.radians(rng.uniform(12, 32, n)))
    p["arm_phase"] = rng.uniform(0, 2 * np.pi, n)
    p["clumpiness"] = np.where(p["disc"], rng.uniform(0.03, 0.3, n), 0.0)
    p["clumps"] = rng.standard_normal((n, KNOTS, KNOTS), np.float32)


def _draw_field(rng: np.random.Generator, p: Parameters, n: int) -> None:
    """Stars and other galaxies; columns: galaxy, x, y, flux, FWHM, ellipticity, theta, i/r, 1, g/r."""
    area = (FRAME * p["arcsec"] / 60) ** 2  # square arcmin
    p["n_stars"], faint = rng.poisson(2.4 * area), rng.poisson(4.0 * area)
    companions = rng.poisson(0.16, n)
    p["n_neighbours"] = faint + companions
    kind = np.concatenate(
        [np.repeat([0, 1, 2], counts) for counts in zip(p["n_stars"], faint, companions, strict=True)]
    )
    owner = np.repeat(np.arange(n), p["n_stars"] + p["n_neighbours"])
    k = len(owner)
    star, companion = kind == 0, kind == 2
    seeing, arcsec = p["seeing"][owner], p["arcsec"][owner]
    flux = np.where(star, 60 * rng.pareto(0.6, k) + 15, 45 * rng.pareto(1.2, k) + 25)
    flux = np.clip(flux, 0, 60_000) / arcsec**2
    extent = 1.6 * rng.gamma(3, 0.35, k) / arcsec
    share = rng.uniform(0.03, 0.7, k)
    flux = np.where(companion, share * p["flux"][owner], flux)
    extent = np.where(companion, 5.5 * np.sqrt(share), extent)
    cool = rng.random(k) < 0.45
    youth = np.where(star, np.where(cool, -0.6, 0.8) + rng.normal(0, 0.35, k), rng.normal(0.12, 0.35, k))
    colour = np.clip(OLD + youth[:, None] * TO_YOUNG, 0.12, None)
    colour[:, 0] *= np.where(star & (youth < 0), rng.uniform(1, 1.5, k), 1.0)
    p["field"] = np.column_stack(
        [
            owner,
            rng.uniform(-FRAME / 2 - 2, FRAME / 2 + 2, (k, 2)),
            flux,
            np.where(star, seeing, np.hypot(seeing, extent)),
            np.where(star, 0.0, 0.8 * rng.beta(2, 3, k)),
            rng.uniform(0, np.pi, k),
            colour,
        ]
    )
