"""The default engine: compiled kernels, one image per thread, no interpreter lock while they run."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from eval.isophote import fit, frame, kernel_cache, path, path_table, sampling
from eval.isophote.result import LARGEST, Ellipse, Fit
from eval.settings import MeasurementSettings

KERNELS = (fit, frame, sampling, path_table, path)
"""Every module of compiled functions."""

_ready = threading.Lock()
_is_ready = False

_REASONS = {
    frame.NOT_FINITE: "some pixels are not finite",
    frame.TOO_LARGE: f"some pixels exceed {LARGEST:g}",
    frame.CONSTANT: "all pixels are alike",
}
_OUTCOMES = {
    fit.FAILED: ("failed", "no meaningful fit was possible"),
    fit.RAN_AWAY: ("error", "an ellipse ran away"),
    fit.TOO_FEW_POINTS: ("error", "too few points on the frame for a fit"),
    fit.TOO_MANY_ISOPHOTES: ("error", "growth did not end"),
}


class Fitter:
    """Everything one thread needs to fit one image after another.

    Parameters
    ----------
    settings : MeasurementSettings
    """

    def __init__(self, settings: MeasurementSettings):
        size = settings.frame_size
        self.settings = settings
        self._limits = fit.Limits(
            sma0=float(settings.sma0),
            step=float(settings.step),
            eps0=float(settings.eps0),
            pa0=float(settings.pa0),
            convergence=float(settings.convergence),
            min_iterations=settings.min_iterations,
            max_iterations=settings.max_iterations,
            valid_fraction=float(settings.valid_fraction),
            max_gradient_error=float(settings.max_gradient_error),
        )
        self._room = path.room(size)
        self._table = path_table.starts_table(size, float(settings.sma0), float(settings.step))
        self._frame = np.empty((size, size), np.float32)
        self._turned = self._columns = self._rows = np.empty((0, 0), np.float32)
        self._result = np.empty(12)

    def fit(self, image: np.ndarray, *, perturbation: float = 0.0, seed: int = 0) -> Fit:
        """Fit one (H, H, C) image.

        `perturbation` is the standard deviation of normal noise added to the frame, in its units, and
        `seed` its seed: see `eval.isophote.photutils_engine.fit_image`.
        """
        # A copy: kernels are compiled for two types of writable array, and a memory map is not writable.
        image = np.array(image, dtype=np.uint8 if image.dtype == np.uint8 else np.float64, order="C")
        source, size = image.shape[0], self.settings.frame_size
        if self._turned.shape[0] != source:
            self._turned = np.empty((source, source), np.float32)
            self._columns = np.empty((size, source), np.float32)
            self._rows = np.empty((source, size), np.float32)
        usable = frame.grey_of(image, LARGEST, self._turned)
        if usable != frame.USABLE:
            return Fit("invalid", detail=_REASONS[usable])
        first, weights, _ = frame.resampling(source, size)
        frame.resample(self._turned, first, weights, self._columns, self._rows, self._frame)
        if perturbation:
            self._frame += np.random.default_rng(seed).normal(0.0, perturbation, self._frame.shape).astype(np.float32)
        outcome = fit.fit_frame(self._frame, *self._room, self._table, self._limits, self._result)
        if outcome != fit.OK:
            status, detail = _OUTCOMES[outcome]
            return Fit(status, detail=detail)
        last, converged = self._ellipse(2), self._ellipse(7)
        use_last = self.settings.outermost == "last"
        colors = self._colors(image, last if use_last else converged)
        return Fit(
            "ok",
            stop_code=int(self._result[0]),
            last=last,
            converged=converged,
            last_colors=colors if use_last else (math.nan, math.nan),
            converged_colors=colors if not use_last else (math.nan, math.nan),
        )

    def _ellipse(self, at: int) -> Ellipse:
        sma, eps, pa, x0, y0 = (float(value) for value in self._result[at : at + 5])
        if not math.isfinite(sma):
            return Ellipse()
        flux = frame.flux_inside(self._frame, x0, y0, sma, eps, pa)
        return Ellipse(sma, eps, pa, x0, y0, float(flux))

    def _colors(self, image: np.ndarray, at: Ellipse) -> tuple[float, float]:
        if image.shape[-1] < 3 or not at.finite:
            return math.nan, math.nan
        flux = np.empty(3)
        first, weights, cumulative = frame.resampling(image.shape[0], self.settings.frame_size)
        where = (at.x0, at.y0, at.sma, at.eps, at.pa)
        frame.band_fluxes(image, first, weights, cumulative, *where, flux)
        red, green, blue = (float(value) for value in flux)
        return red / green if green else math.nan, green / blue if blue else math.nan


def fit_many(
    images: np.ndarray,
    *,
    settings: MeasurementSettings,
    jobs: int,
    perturbation: float = 0.0,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fit]:
    """Fit many images in `jobs` threads.

    Parameters
    ----------
    images : (N, H, H, C) array
        Read one by one, so it may be a memory map larger than memory.
    settings : MeasurementSettings
    jobs : int
    perturbation, seed : float, int
        See `Fitter.fit`; image i takes seed `seed + i`.
    progress : callable or None
        Called with (done, total), from one thread at a time.

    Returns
    -------
    list of Fit
        One per image, in order.
    """
    total = len(images)
    fits: list[Fit] = [Fit("error", detail="not reached")] * total
    if total == 0:
        return fits
    compile_once()
    waiting: Iterator[int] = iter(range(total))
    lock, stop = threading.Lock(), threading.Event()
    done = 0

    def work() -> None:
        nonlocal done
        fitter = Fitter(settings)
        while not stop.is_set():
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            fits[index] = fitter.fit(images[index], perturbation=perturbation, seed=seed + index)
            if progress:
                with lock:
                    done += 1
                    progress(done, total)

    jobs = max(1, min(jobs, total))
    if jobs == 1:
        work()
        return fits
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            for future in [pool.submit(work) for _ in range(jobs)]:
                future.result()
        finally:
            stop.set()
    return fits


def compile_once() -> None:
    """Load the compiled kernels, compiling them if no process on this machine has yet.

    Numba keeps what it compiled beside the source, or in the user's cache folder when that cannot be
    written. The first process to come holds a lock while a child of it compiles (tens of seconds);
    others that start meanwhile wait for it and read its result.
    """
    global _is_ready
    with _ready:
        if not _is_ready:
            with kernel_cache.current(KERNELS, "eval.isophote.compiled_engine"):
                load_kernels()
            _is_ready = True


def load_kernels() -> None:
    """Fit one galaxy of each pixel type: that calls every kernel."""
    fitter = Fitter(MeasurementSettings(frame_size=64, sma0=6.0))
    distance = np.hypot(*(np.mgrid[:16, :16] - 7.5))
    galaxy = 200.0 * np.exp(-distance / 3.0)[..., np.newaxis].repeat(3, axis=-1)
    for image in (galaxy, galaxy.astype(np.uint8)):
        fitter.fit(image)
