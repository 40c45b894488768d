"""Memorisation: nearest distances of generated images beside those of held-out real ones (`eval.closest` explains)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval.statistics.nearest import Nearest, nearest


@dataclass(frozen=True, kw_only=True)
class Memorisation:
    """How much closer generated images are to the training set than real images that it does not hold.

    Attributes
    ----------
    share : float
        Probability that a generated image is closer than a held-out one, ties counting half; 0.5 without memorisation.
    share_1pct : float
        Share of generated images closer than the 1st percentile of held-out ones; about 0.01 without.
    in_training, in_training_expected : float
        Share of generated images whose nearest of all real images is a training image, and what
        it is without memorisation, N / (N + M).
    in_training_error : float
        Binomial standard deviation of `in_training` about its expectation.
    identical : int
        Generated images whose centre is that of a training image, value for value.
    median_generated, median_held_out : float
        Median nearest distances, mean absolute difference per value, DN.
    n_generated, n_training, n_held_out : int
        Sizes of the three sets.
    """

    share: float
    share_1pct: float
    in_training: float
    in_training_expected: float
    in_training_error: float
    identical: int
    median_generated: float
    median_held_out: float
    n_generated: int
    n_training: int
    n_held_out: int

    def metrics(self) -> dict[str, float]:
        """The figures under the names they have in MLflow."""
        names = ("share", "share_1pct", "in_training", "in_training_expected", "identical")
        return {f"memorisation/{name}": float(getattr(self, name)) for name in names}


def memorisation(
    generated: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray,
    *,
    crop: float = 0.5,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Memorisation, Nearest, Nearest]:
    """Compare nearest distances of generated and of held-out images to the training images.

    Parameters
    ----------
    generated, training, held_out : ndarray
        (N, H, H, C) uint8; training images may be a memory map.
    crop, jobs, progress
        See `eval.statistics.nearest.nearest`.

    Returns
    -------
    memorisation : Memorisation
    closest : Nearest
        The nearest training image of every generated image.
    held_out_closest : Nearest
        The nearest training image of every held-out image.
    """
    pairs = [len(generated) * len(training), len(held_out) * len(training), len(generated) * len(held_out)]

    def part(number: int) -> Callable[[int, int], None] | None:
        before = sum(pairs[:number])
        return None if progress is None else lambda done, _: progress(before + done, sum(pairs))

    closest = nearest(generated, training, crop=crop, jobs=jobs, progress=part(0))
    reference = nearest(held_out, training, crop=crop, jobs=jobs, progress=part(1))
    other = nearest(generated, held_out, crop=crop, jobs=jobs, progress=part(2))
    return figures_of(closest.distance, reference.distance, other.distance, len(training)), closest, reference


def figures_of(
    generated: np.ndarray, held_out: np.ndarray, generated_to_held_out: np.ndarray, n_training: int
) -> Memorisation:
    """The figures of memorisation from nearest distances.

    Parameters
    ----------
    generated : ndarray
        (N,) distances of generated images to the nearest training image.
    held_out : ndarray
        (M,) the same of held-out images.
    generated_to_held_out : ndarray
        (N,) distances of generated images to the nearest held-out image.
    n_training : int
        Number of training images.
    """
    ordered = np.sort(held_out)
    closer = len(ordered) - np.searchsorted(ordered, generated, "right")
    ties = np.searchsorted(ordered, generated, "right") - np.searchsorted(ordered, generated, "left")
    expected = n_training / (n_training + len(held_out))
    nearer = np.where(generated == generated_to_held_out, expected, generated < generated_to_held_out)
    return Memorisation(
        share=float(np.mean((closer + ties / 2) / len(ordered))),
        share_1pct=float(np.mean(generated < np.quantile(ordered, 0.01))),
        in_training=float(np.mean(nearer)),
        in_training_expected=expected,
        in_training_error=float(np.sqrt(expected * (1 - expected) / len(generated))),
        identical=int(np.sum(generated == 0)),
        median_generated=float(np.median(generated)),
        median_held_out=float(np.median(held_out)),
        n_generated=len(generated),
        n_training=n_training,
        n_held_out=len(held_out),
    )
