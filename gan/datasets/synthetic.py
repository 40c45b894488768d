"""Galaxies drawn from Sersic profiles, in the look of SDSS thumbnails: training data that needs no download.

Each image is a bulge and, for most, a disc (`astropy.modeling.models.Sersic2D`), the disc seen at a random inclination,
with spiral arms and clumps for some, blurred by the seeing, among field stars, background galaxies and now and then a
companion, with sky noise, and an asinh stretch of three bands to red, green and blue (Lupton et al. 2004). The truth of
every image is known.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.processors import available_cpus
from gan.data import DataError, GalaxySet, read_manifest
from gan.datasets.writer import write_galaxy_set

if TYPE_CHECKING:
    import pandas as pd

    from gan.datasets.synthetic_population import Parameters

RECIPE = 1  # raised when the same seed gives other images
CHUNK = 8  # images share random streams in chunks of this many, so that image i does not depend on n


def draw(
    n: int, *, size: int = 64, seed: int = 0, field: bool = True, noise: bool = True, jobs: int | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Draw `n` galaxies.

    The galaxy of image `i` and its field depend on `seed` and `i` only, not on `n`, `size` or `jobs`; so do its pixels,
    for one `size`.

    Parameters
    ----------
    n : int
        Number of images.
    size : int
        Side of the images, px; 8 or more.
    seed : int
        Seed of all random numbers, 0 or more.
    field, noise : bool
        Draw stars and other galaxies in the frame; draw sky noise.
    jobs : int, optional
        Threads; default one per core.

    Returns
    -------
    images : ndarray
        (n, size, size, 3) uint8.
    truth : DataFrame
        One row per image; lengths in px of these images:

        - id; kind ("disc" or "elliptical");
        - ellipticity: 1 - b/a of the disc, or of the elliptical;
        - position_angle: of the major axis above the horizontal, y up, deg in (-90, 90];
        - semi_major_axis: half-light, of the disc or the elliptical;
        - flux: linear, r band, in units of the sky noise of a 64 px image's pixel;
        - bulge_fraction: of the flux; sersic_index: of the bulge or elliptical (discs: 1);
        - seeing: FWHM; n_stars, n_neighbours: drawn around it.

    Raises
    ------
    DataError
        If `n`, `size` or `seed` is out of range.
    """
    for name, value, least in (("n", n, 1), ("size", size, 8), ("seed", seed, 0)):
        if value < least:
            raise DataError(f"{name} = {value}: expected {least} or more")
    from gan.datasets.synthetic_population import draw_parameters
    from gan.datasets.synthetic_render import render

    def chunk(k: int) -> tuple[np.ndarray, Parameters]:
        parameters = draw_parameters(np.random.default_rng([RECIPE, seed, k]), CHUNK)
        noise_rng = np.random.default_rng([RECIPE, seed, k, size])
        return render(parameters, size, noise_rng, field=field, noise=noise), parameters

    images = np.empty((n, size, size, 3), np.uint8)
    parts: list[Parameters] = []
    with ThreadPoolExecutor(jobs or available_cpus()) as pool:
        for k, (block, parameters) in enumerate(pool.map(chunk, range(-(-n // CHUNK)))):
            images[k * CHUNK : (k + 1) * CHUNK] = block[: n - k * CHUNK]
            parts.append({key: value for key, value in parameters.items() if value.ndim == 1})
    return images, _truth({key: np.concatenate([part[key] for part in parts])[:n] for key in parts[0]}, size, seed)


def _truth(p: Parameters, size: int, seed: int) -> pd.DataFrame:
    import pandas as pd

    from gan.datasets.synthetic_population import FRAME

    scale = size / FRAME
    return pd.DataFrame(
        {
            "id": [f"synthetic_{seed}_{i}" for i in range(len(p["flux"]))],
            "kind": np.where(p["disc"], "disc", "elliptical"),
            "ellipticity": p["ellipticity"],
            "position_angle": 90 - (np.degrees(p["theta"]) + 90) % 180,
            "semi_major_axis": p["radius"] * scale,
            "flux": p["flux"],
            "bulge_fraction": p["bulge_fraction"],
            "sersic_index": p["bulge_index"],
            "seeing": p["seeing"] * scale,
            "n_stars": p["n_stars"],
            "n_neighbours": p["n_neighbours"],
        }
    )


def cache_folder(cache: Path, *, count: int, sizes: tuple[int, ...], seed: int) -> Path:
    """Return where the synthetic galaxies of studies are kept, so that all studies of one kind share them.

    Parameters
    ----------
    cache : Path
        `.cache` in the folder of all studies.
    count : int
        Galaxies.
    sizes : tuple of int
        Sides of their images in pixels, in the order of the networks.
    seed : int
        Of the galaxies.
    """
    return cache / f"synthetic-{count}-{'-'.join(map(str, sizes))}px-seed{seed}"


def synthetic_set(path: str | os.PathLike[str], n: int, *, sizes: tuple[int, ...] = (64,), seed: int = 0) -> GalaxySet:
    """Return the galaxy set of `n` synthetic galaxies at `path`: made if it is not there, else opened.

    The index has the columns of `draw`'s truth (lengths in px of the smallest size) beside the usual ones.

    Parameters
    ----------
    path : path-like
        The folder.
    n : int
        Number of galaxies, 1 or more.
    sizes : tuple of int
        Sides of the images, px.
    seed : int
        Of the galaxies, 0 or more.

    Returns
    -------
    GalaxySet

    Raises
    ------
    DataError
        If a number is out of range, or `path` holds something else or cannot be written.
    """
    path = Path(path)
    sizes = tuple(sorted({int(size) for size in sizes}))
    source = {"kind": "synthetic", "recipe": RECIPE, "n": n, "seed": seed}
    if _is_there(path, source, sizes):
        return GalaxySet.open(path)
    arrays, truths = {}, {}
    for size in sizes:
        arrays[size], truths[size] = draw(n, size=size, seed=seed)
    largest = arrays[sizes[-1]]
    index = truths[sizes[0]].assign(
        source="synthetic",
        sha256=[hashlib.sha256(image).hexdigest() for image in largest],
        width=sizes[-1],
        height=sizes[-1],
    )
    about = {"source": source, "transform": {"filter": "drawn at each size"}, "settings": {}, "refused": []}
    try:
        return write_galaxy_set(path, arrays, index, about=about)
    except DataError:
        if _is_there(path, source, sizes):  # another process made the same set meanwhile
            return GalaxySet.open(path)
        raise


def _is_there(path: Path, source: dict[str, Any], sizes: tuple[int, ...]) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    manifest = read_manifest(path)
    if manifest.get("source") == source and tuple(sorted(map(int, manifest["arrays"]))) == sizes:
        return True
    held = f"source {manifest.get('source')}, sizes {sorted(map(int, manifest['arrays']))}"
    raise DataError(f"{path} holds another galaxy set ({held}); choose another folder")
