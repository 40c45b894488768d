"""Enhanced galaxy images judged against what a deeper survey saw, each figure beside that of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from eval.catalogue import PROPERTIES
from eval.measure import as_images, cpus, identifiers, measure
from eval.settings import MeasurementSettings
from eval.statistics.detections import DetectionSettings, Match, by_magnitude, match_sources
from eval.statistics.enhancement_result import INPUT, PREDICTION, TARGET, EnhancementResult
from eval.statistics.fidelity import PSNR_LIMIT, aperture_flux, enlarge, psnr, ssim
from eval.statistics.spectra import compare_spectra

Told = Callable[[str, int, int], None]


class Judge:
    """Inputs and targets measured once, to judge one set of predictions after another.

    Parameters
    ----------
    inputs : ndarray
        (N, S, S, C) uint8, or floats on the same scale of 0 to 255.
    targets : ndarray
        (N, T, T, C), the same kind of numbers; T a multiple of S.
    settings : MeasurementSettings, optional
        Of the four properties.
    detection : DetectionSettings, optional
        Of sources.
    engine : {"fast", "photutils"}
        See `eval.measure.measure`.
    jobs : int, optional
        Threads; None means the CPUs that this process may use.
    ids : sequence, optional
        N names of the galaxies.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    ValueError
        The arrays are not such images.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        settings: MeasurementSettings | None = None,
        detection: DetectionSettings | None = None,
        engine: str = "fast",
        jobs: int | None = None,
        ids: Sequence[Any] | None = None,
        progress: Told | None = None,
    ):
        inputs, _, self.targets = _checked(inputs, targets, targets)
        self._settings, self._detection, self._engine = settings, detection or DetectionSettings(), engine
        self._jobs, self._told = jobs or cpus(), progress or (lambda what, done, total: None)
        self._enlarged = enlarge(inputs, self.targets.shape[1])
        truth = self._measure(self.targets, "targets")
        self.measurement = truth.attrs["measurement"]
        self._radii = _radii(truth["semi_major_axis"].to_numpy(), self.measurement["frame_size"], self.targets.shape[1])
        fluxes = [
            aperture_flux(np.asarray(image), radius) for image, radius in zip(self.targets, self._radii, strict=True)
        ]
        columns: dict[str, Any] = {"id": identifiers(ids, len(self.targets)), f"flux_aperture{TARGET}": fluxes}
        columns |= {f"{name}{TARGET}": truth[name].to_numpy() for name in PROPERTIES}
        compared, matches = self._compare(self._enlarged, INPUT)
        measured = self._measure(inputs, "inputs")
        columns |= compared | {f"{name}{INPUT}": measured[name].to_numpy() for name in PROPERTIES}
        self._known = columns
        self._detections_input = by_magnitude(matches)
        self._spectra_input = compare_spectra(self.targets, self._enlarged)

    def __call__(self, predictions: np.ndarray) -> EnhancementResult:
        """Judge predictions, (N, T, T, C) of the targets' kind; raises `ValueError` if they are not."""
        _, predictions, _ = _checked(self._enlarged, predictions, self.targets)
        measured = self._measure(predictions, "predictions")
        compared, matches = self._compare(predictions, PREDICTION)
        return EnhancementResult(
            table=pd.DataFrame({**self._known, **{name: measured[name].to_numpy() for name in PROPERTIES}, **compared}),
            detections=by_magnitude(matches),
            detections_input=self._detections_input,
            spectra=compare_spectra(self.targets, predictions),
            spectra_input=self._spectra_input,
            measurement=self.measurement,
        )

    def _measure(self, images: np.ndarray, words: str) -> pd.DataFrame:
        return measure(
            images,
            engine=self._engine,
            jobs=self._jobs,
            settings=self._settings,
            progress=lambda done, total: self._told(f"measuring {words}", done, total),
        )

    def _compare(self, images: np.ndarray, end: str) -> tuple[dict[str, Any], list[Match]]:
        """Columns of the table that hold comparisons with the targets, and the matched sources."""
        rows = []
        with ThreadPoolExecutor(self._jobs) as pool:
            for row in pool.map(lambda i: self._compare_one(images[i], i), range(len(images))):
                rows.append(row)
                self._told(f"comparing {end.strip('/') or 'prediction'}s", len(rows), len(images))
        matches = [row.pop("match") for row in rows]
        columns = {f"{name}{end}": [row[name] for row in rows] for name in rows[0] if not name.endswith(TARGET)}
        columns |= {name: [row[name] for row in rows] for name in rows[0] if name.endswith(TARGET)}
        return columns, matches

    def _compare_one(self, image: np.ndarray, i: int) -> dict[str, Any]:
        image, target = np.asarray(image), np.asarray(self.targets[i])
        match = match_sources(image, target, self._detection)
        return {
            "psnr": min(psnr(image, target), PSNR_LIMIT),
            "ssim": ssim(image, target),
            "flux_aperture": aperture_flux(image, self._radii[i]),
            "sources": len(match.genuine),
            f"sources{TARGET}": len(match.found),
            "hallucinations": match.hallucinations,
            "misses": match.misses,
            "match": match,
        }


def judge(inputs: np.ndarray, predictions: np.ndarray, targets: np.ndarray, **options: Any) -> EnhancementResult:
    """Compare enhanced images with their targets, and the inputs with them too.

    Parameters
    ----------
    inputs, predictions, targets : ndarray
        (N, S, S, C), (N, T, T, C) and (N, T, T, C) uint8, or floats on the same scale of 0 to 255; T a multiple of S.
    **options
        settings, detection, engine, jobs, ids, progress: see `Judge`, which judges many predictions of one target.

    Raises
    ------
    ValueError
        The arrays are not such images.
    """
    _checked(inputs, predictions, targets)
    return Judge(inputs, targets, **options)(predictions)


def _checked(*stacks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inputs, predictions, targets = (as_images(stack) for stack in stacks)
    shapes = ", ".join(f"{name} {stack.shape} {stack.dtype}" for name, stack in
                       (("inputs", inputs), ("predictions", predictions), ("targets", targets)))  # fmt: skip
    if not len(targets) or predictions.shape != targets.shape or len(inputs) != len(targets):
        raise ValueError(f"{shapes}: expected as many inputs as targets, and predictions of the targets' shape")
    if targets.shape[1] % inputs.shape[1] or inputs.shape[3] != targets.shape[3]:
        raise ValueError(f"{shapes}: expected inputs of the targets' side or a whole fraction of it, and their bands")
    if len({stack.dtype == np.uint8 for stack in (inputs, predictions, targets)}) > 1:
        raise ValueError(f"{shapes}: expected all three as 0..255 (uint8), or all three as floats on one scale")
    return inputs, predictions, targets


def _radii(semi_major_axis: np.ndarray, frame: int, side: int) -> np.ndarray:
    """Radius of each galaxy's aperture, px of the target: its semi-major axis, or a quarter of the frame without."""
    radii = semi_major_axis * side / frame
    return np.clip(np.where(np.isfinite(radii), radii, side / 4), 2.0, side / 2 - 1)
