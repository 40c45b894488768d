"""The reference engine: photutils' isophote fit in worker processes, killed when one does not end.

photutils (Bradley et al.) implements Jedrzejewski (1987, MNRAS 226, 747) as did the STSDAS task
`ellipse` (Busko 1996, ASPC 101, 139). Some images make it raise and some make it loop for ever, so
every fit runs in a process with a time limit.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from common.process_pool import At, Lost, PoolError, ProcessPool
from eval.isophote.result import Ellipse, Fit, invalid_reason
from eval.settings import MeasurementSettings

DEFAULT_TIME_LIMIT = 120.0
"""Seconds per image; an ordinary galaxy takes one to four."""

START_LIMIT = 120.0
"""Seconds that a worker process may take to import photutils."""

_Task = tuple[int, np.ndarray]


def reference_frame(image: np.ndarray, size: int) -> np.ndarray:
    """Return one band (or the mean of all) resampled by Pillow in floating point.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array
        With a third axis, its mean is taken first.
    size : int
        Side of the frame in pixels.

    Returns
    -------
    (size, size) float64 array in the image's units
    """
    from PIL import Image

    grey = image.mean(axis=-1, dtype=np.float64) if image.ndim == 3 else image
    frame = Image.fromarray(grey.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(frame, dtype=np.float64)


def fit_image(image: np.ndarray, settings: MeasurementSettings, *, perturbation: float = 0.0, seed: int = 0) -> Fit:
    """Fit one image with photutils, in this process.

    Parameters
    ----------
    image : (H, W, C) array
    settings : MeasurementSettings
    perturbation : float
        Standard deviation of normal noise added to the frame, in its units: what the fit makes of
        noise at rounding level is the floor below which engines cannot be told apart.
    seed : int
        Seed of that noise.
    """
    reason = invalid_reason(image)
    if reason:
        return Fit("invalid", detail=reason)
    frame = reference_frame(image, settings.frame_size)
    if perturbation:
        frame += np.random.default_rng(seed).normal(0.0, perturbation, frame.shape)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            isophotes = _isophotes(frame, settings)
        except Exception as error:  # noqa: BLE001 - photutils raises errors of many kinds for odd images
            return Fit("error", detail=f"photutils raised {type(error).__name__}: {error}")
    outward = [isophote for isophote in isophotes if isophote.sma > settings.sma0 * 0.999]
    if not outward:
        return Fit("failed", detail="no meaningful fit was possible")
    converged = [isophote for isophote in outward if isophote.stop_code == 0]
    return Fit(
        "ok",
        stop_code=int(outward[-1].stop_code),
        last=_ellipse(outward[-1]),
        converged=_ellipse(converged[-1]) if converged else Ellipse(),
        last_colors=_colors(image, outward[-1], settings.frame_size),
        converged_colors=_colors(image, converged[-1], settings.frame_size) if converged else (np.nan, np.nan),
    )


def _isophotes(frame: np.ndarray, settings: MeasurementSettings) -> Any:
    from astropy import log
    from photutils.isophote import Ellipse as EllipseTask
    from photutils.isophote import EllipseGeometry

    log.setLevel("ERROR")
    center = (settings.frame_size - 1) / 2
    start = EllipseGeometry(center, center, settings.sma0, settings.eps0, settings.pa0, astep=settings.step)
    return EllipseTask(frame, start).fit_image(
        minsma=settings.sma0,
        step=settings.step,
        conver=settings.convergence,
        minit=settings.min_iterations,
        maxit=settings.max_iterations,
        fflag=settings.valid_fraction,
        maxgerr=settings.max_gradient_error,
    )


def _ellipse(isophote: Any) -> Ellipse:
    names = ("sma", "eps", "pa", "x0", "y0", "tflux_e")
    return Ellipse(*(float(getattr(isophote, name)) for name in names))


def _colors(image: np.ndarray, isophote: Any, size: int) -> tuple[float, float]:
    """Ratios of the fluxes inside the ellipse in each band's frame, summed as photutils sums `tflux_e`."""
    if image.shape[-1] < 3:
        return np.nan, np.nan
    geometry = isophote.sample.geometry
    y, x = np.mgrid[:size, :size]
    radius, angle = geometry.to_polar(x, y)
    inside = radius <= geometry.radius(angle)
    flux = [float(reference_frame(image[..., band], size)[inside].sum()) for band in range(3)]
    return _ratio(flux[0], flux[1]), _ratio(flux[1], flux[2])


def _ratio(a: float, b: float) -> float:
    return a / b if b != 0.0 else np.nan


@contextlib.contextmanager
def _opened(settings: MeasurementSettings, perturbation: float) -> Iterator[Callable[[_Task, At], Fit]]:
    """What a worker process does with an image and its index."""
    import photutils.isophote  # noqa: F401  (its start-up belongs to no image's time limit)

    yield lambda task, at: fit_image(task[1], settings, perturbation=perturbation, seed=task[0])


def fit_many(
    images: np.ndarray,
    *,
    settings: MeasurementSettings,
    jobs: int,
    time_limit: float | None = None,
    perturbation: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fit]:
    """Fit many images in `jobs` processes.

    An image that takes longer than `time_limit` has its process killed and one whose process dies
    is an error: both are rows, and a new process goes on with the next image.

    Parameters
    ----------
    images : (N, H, W, C) array
    settings : MeasurementSettings
    jobs : int
    time_limit : float or None
        Seconds per image; None means `DEFAULT_TIME_LIMIT`.
    perturbation : float
        See `fit_image`; image i takes seed i.
    progress : callable or None
        Called with (done, total).

    Returns
    -------
    list of Fit
        One per image, in order.

    Raises
    ------
    RuntimeError
        If a worker process cannot be started.
    """
    limit = DEFAULT_TIME_LIMIT if time_limit is None else time_limit
    fits: list[Fit] = [Fit("error", detail="not reached")] * len(images)
    tasks = ((index, np.ascontiguousarray(image)) for index, image in enumerate(images))
    opened = functools.partial(_opened, settings, perturbation)
    pool: ProcessPool[_Task, Fit]
    with ProcessPool(opened, max(1, min(jobs, len(images))), time_limit=limit, start_limit=START_LIMIT) as pool:
        try:
            for done, ((index, _), outcome) in enumerate(pool.run(tasks), start=1):
                if not isinstance(outcome, Lost):
                    fits[index] = outcome
                elif outcome.timed_out:
                    fits[index] = Fit("timeout", detail=f"not done in {limit:g} s")
                else:
                    fits[index] = Fit("error", detail="the worker process died")
                if progress:
                    progress(done, len(images))
        except PoolError as error:
            raise RuntimeError(
                f"photutils worker processes did not start ({error}); in a script, call measure() under "
                "`if __name__ == '__main__':`"
            ) from None
    return fits
