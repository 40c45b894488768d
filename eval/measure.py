"""Measure galaxies: images in, one catalogue row per image out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.processors import available_threads
from eval.catalogue import COLUMNS, ENGINE_VERSION, FLOAT_COLUMNS, cached, content_key
from eval.isophote.result import Fit
from eval.settings import MeasurementSettings

ENGINES = ("fast", "photutils")
SMALLEST, LARGEST_SIDE = 16, 4096


def measure(
    images: Any,
    *,
    engine: str = "fast",
    jobs: int | None = None,
    settings: MeasurementSettings | None = None,
    ids: Sequence[Any] | None = None,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Measure the outermost ellipse of every galaxy.

    The image's bands are averaged, the result is resampled to `settings.frame_size` (bicubic) and
    ellipses are fitted outwards from its centre (Jedrzejewski 1987, MNRAS 226, 747).

    Parameters
    ----------
    images : (N, H, H, C) or (N, H, H) array, any real dtype, 16 <= H <= 4096
        C is 1 or more. A memory map is read image by image. Fluxes are in the units of the pixels.
    engine : {"fast", "photutils"}
        The compiled engine, or the reference. They differ by rounding alone (see `eval.crosscheck`).
    jobs : int or None
        Threads (fast) or processes (photutils). None means the CPUs this process may use, see `cpus`.
    settings : MeasurementSettings or None
        What defines the measurement; None means the defaults.
    ids : sequence of N names, or None
        The `id` column; None numbers the rows from 0.
    time_limit : float or None
        Seconds per image for the photutils engine (None: 120). The fast engine is bounded by its
        own counts and needs none.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    pandas.DataFrame
        `eval.catalogue.COLUMNS`, one row per image in order; a row whose `status` is not "ok" has
        NaN in its floats. `attrs["measurement"]` holds the settings and the engine.

    Raises
    ------
    ValueError
        If the images are not such an array, `ids` has another length, or `engine` or `jobs` is wrong.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine = {engine!r} does not work: expected one of {', '.join(map(repr, ENGINES))}")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit = {time_limit!r} does not work: expected seconds above 0, or None")
    images = as_images(images)
    names = identifiers(ids, len(images))
    settings = settings or MeasurementSettings()
    jobs = cpus() if jobs is None else jobs
    if not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs = {jobs!r} does not work: expected a whole number from 1, or None")
    if engine == "photutils":
        from eval.isophote import photutils_engine

        fits = photutils_engine.fit_many(images, settings=settings, jobs=jobs, time_limit=time_limit, progress=progress)
    else:
        from eval.isophote import compiled_engine

        fits = compiled_engine.fit_many(images, settings=settings, jobs=jobs, progress=progress)
    return as_catalogue(fits, names, settings=settings, engine=engine)


def as_catalogue(
    fits: Sequence[Fit], ids: Sequence[Any], *, settings: MeasurementSettings, engine: str
) -> pd.DataFrame:
    """Return the catalogue of some fits: one row each, typed, with the measurement in `attrs`."""
    rows = [fit.row(name, settings.outermost) for fit, name in zip(fits, ids, strict=True)]
    catalogue = pd.DataFrame(rows, columns=list(COLUMNS))
    types = {"stop_code": np.int64, "status": object} | dict.fromkeys(FLOAT_COLUMNS, np.float64)
    catalogue = catalogue.astype(types)
    catalogue.attrs["measurement"] = {**settings.as_dict(), "engine": engine, "engine_version": ENGINE_VERSION}
    return catalogue


def as_images(images: Any) -> np.ndarray:
    """Return images as an (N, H, H, C) array, without copying an array that is one already.

    Raises
    ------
    ValueError
        If they are not N square images of equal size, real-valued, 16 to 4096 pixels wide.
    """
    accepted = "expected an (N, H, H, C) or (N, H, H) array of numbers"
    if not isinstance(images, np.ndarray):
        try:
            images = np.asarray(images)
        except (ValueError, TypeError) as error:
            raise ValueError(f"images of unequal shapes: {accepted}") from error
    if images.dtype.kind not in "uifb":
        raise ValueError(f"images of type {images.dtype}: {accepted}")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4:
        raise ValueError(f"images of shape {images.shape}: {accepted}")
    _, height, width, channels = images.shape
    if height != width or not SMALLEST <= height <= LARGEST_SIDE or channels < 1:
        raise ValueError(
            f"images of shape {images.shape}: {accepted}, square, {SMALLEST} to {LARGEST_SIDE} pixels wide"
        )
    return images


def identifiers(ids: Sequence[Any] | None, count: int) -> list[Any]:
    """Return `count` row names: those given, or 0, 1, 2, ...

    Raises
    ------
    ValueError
        If another number of names is given.
    """
    if ids is None:
        return list(range(count))
    names = list(ids)
    if len(names) != count:
        raise ValueError(f"{len(names)} ids for {count} images: expected one for each")
    return names


def cached_catalogue(
    images: np.ndarray,
    cache_dir: str | os.PathLike[str],
    *,
    settings: MeasurementSettings | None = None,
    engine: str = "fast",
    jobs: int | None = None,
    ids: Any = None,
    time_limit: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Measure images once per content, settings and engine; read the catalogue afterwards.

    Parameters are those of `eval.measure.measure`, and `cache_dir`, the folder to keep catalogues in.
    A cached file that is damaged, or has not one row per image, is measured again.

    Returns
    -------
    pandas.DataFrame
        With the `ids` of this call, whatever ids the cached copy was measured under.
    """
    images = as_images(images)
    names = identifiers(ids, len(images))
    settings = settings or MeasurementSettings()
    path = Path(cache_dir) / f"catalogue-{content_key(images, settings, engine)}.parquet"

    def work() -> pd.DataFrame:
        return measure(images, engine=engine, jobs=jobs, settings=settings, time_limit=time_limit, progress=progress)

    catalogue = cached(path, len(images), work)
    catalogue["id"] = names
    return catalogue


def cpus() -> int:
    """Return the number of threads this process may use (see `common.processors.available_threads`)."""
    return available_threads()
