"""The reference engine: photutils' isophote fit in worker processes, killed when one does not end.

photutils (Bradley et al.) implements Jedrzejewski (1987, MNRAS 226, 747) as did the STSDAS task
`ellipse` (Busko 1996, ASPC 101, 139). Some images make it raise and some make it loop for ever, so
every fit runs in a process with a time limit.
"""

from __future__ import annotations

import multiprocessing
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from eval.isophote.result import Ellipse, Fit, invalid_reason
from eval.settings import MeasurementSettings

DEFAULT_TIME_LIMIT = 120.0
"""Seconds per image; an ordinary galaxy takes one to four."""

START_LIMIT = 120.0
"""Seconds that a worker process may take to import photutils."""


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
        except Exception as error:  # noqa: BLE001  (photutils raises whatever its arithmetic meets)
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
    """Ratios of the fluxes that photutils' own pixel sum finds in each band's frame."""
    from photutils.isophote import Isophote

    if image.shape[-1] < 3:
        return np.nan, np.nan
    sample, flux = isophote.sample, []
    frame = sample.image
    try:
        for band in range(3):
            sample.image = reference_frame(image[..., band], size)
            flux.append(float(Isophote(sample, 0, True, isophote.stop_code).tflux_e))
    finally:
        sample.image = frame
    return _ratio(flux[0], flux[1]), _ratio(flux[1], flux[2])


def _ratio(a: float, b: float) -> float:
    return a / b if b != 0.0 else np.nan


class _Worker:
    """A process that fits what it is sent; started again after it was killed or died."""

    def __init__(self, settings: MeasurementSettings, perturbation: float):
        self._arguments = (settings, perturbation)
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        ready = False
        if self._pipe.poll(START_LIMIT):
            try:
                ready = self._pipe.recv()
            except EOFError:
                ready = False
        if not ready:
            self.kill()
            raise RuntimeError(
                "a photutils worker process did not start; in a script, call measure() under "
                "`if __name__ == '__main__':`"
            )

    def fit(self, index: int, image: np.ndarray, limit: float) -> Fit:
        fit = Fit("timeout", detail=f"not done in {limit:g} s")
        try:
            self._pipe.send((index, image))
            if self._pipe.poll(limit):
                return self._pipe.recv()
        except (EOFError, OSError):
            fit = Fit("error", detail="the worker process died")
        self.kill()
        self.start()
        return fit

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, settings: MeasurementSettings, perturbation: float) -> None:
    """Fit what comes through the pipe until it closes."""
    try:
        import photutils.isophote  # noqa: F401  (its start-up belongs to no image's time limit)

        pipe.send(True)
        while True:
            index, image = pipe.recv()
            pipe.send(fit_image(image, settings, perturbation=perturbation, seed=index))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


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
        Called with (done, total), from the calling thread or another.

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
    waiting: Iterator[int] = iter(range(len(images)))
    lock, stop, workers = threading.Lock(), threading.Event(), []
    done = 0

    def work() -> None:
        nonlocal done
        worker = _Worker(settings, perturbation)
        workers.append(worker)
        while not stop.is_set():
            with lock:
                index = next(waiting, None)
            if index is None:
                break
            fits[index] = worker.fit(index, np.ascontiguousarray(images[index]), limit)
            with lock:
                done += 1
                if progress:
                    progress(done, len(images))
        worker.kill()

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            for future in [pool.submit(work) for _ in range(min(jobs, len(images)))]:
                future.result()
        except BaseException:
            stop.set()
            for worker in workers:
                worker._process.kill()
            raise
    return fits
