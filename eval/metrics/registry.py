"""A metric in one place: its name, function, sense, worst value, floor, label and group.

Tables, figures, reports, MLflow, the objective and their documentation ask the registries `GALAXIES` and `PAIRS`. A
new metric is one `add`, or one decorated function, in a module of this package; nothing else has to know of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from eval.distances import Comparison
    from eval.statistics.enhancement_result import EnhancementResult
    from eval.statistics.spectra import SpectrumComparison

Judged = TypeVar("Judged")
Sense = Literal["smallest", "largest", "nearest 0"]

FLOOR, FLOOR_95 = "floor/", "floor_95/"
"""What the keys of a metric's floor begin with, in the figures of an evaluation."""

SPECTRUM_IMAGES = 2000
"""Images of either side that a mean power spectrum takes at most."""

OTHERWISE_WORST = 1000.0
"""Finite cost of a metric without a bound."""


@dataclass(frozen=True)
class Floor:
    """What two disjoint samples of real galaxies of these sizes give.

    Attributes
    ----------
    mean : float
        On average.
    high : float or None
        95% stay below; None: not known.
    """

    mean: float
    high: float | None = None


@dataclass(frozen=True)
class Sample:
    """Galaxies that are compared.

    Attributes
    ----------
    catalogue : DataFrame
        One row per galaxy, from `eval.measure.measure`.
    images : (n, H, W, C) uint8 array or None
        The first galaxies themselves, for metrics of images.
    """

    catalogue: pd.DataFrame
    images: np.ndarray | None = None


@dataclass(frozen=True)
class Samples:
    """Real and generated galaxies, and what their metrics share."""

    real: Sample
    generated: Sample

    @functools.cached_property
    def comparison(self) -> Comparison:
        """All distances of the two catalogues."""
        from eval.distances import compare

        return compare(self.real.catalogue, self.generated.catalogue)

    @functools.cached_property
    def spectra(self) -> SpectrumComparison | None:
        """Power spectra of the two sets of images; None where one of them is not there."""
        from eval.statistics.spectra import compare_spectra

        real, generated = self.real.images, self.generated.images
        if real is None or generated is None:
            return None
        return compare_spectra(real[:SPECTRUM_IMAGES], generated[:SPECTRUM_IMAGES])


def split_floor(samples: Samples, key: str) -> Floor | None:
    """Return the floor of a distance that was measured by splitting the real galaxies, by its key."""
    mean = samples.comparison.floors.get(key)
    return None if mean is None else Floor(mean)


@dataclass(frozen=True, kw_only=True)
class Metric(Generic[Judged]):
    """One figure of an evaluation.

    Attributes
    ----------
    name : str
        What `objective.metric` calls it.
    key : str
        In MLflow, `evaluation.json` and tables.
    label : str
        In words.
    group : str
        Heading under which reports list it.
    value : callable
        Computes it; None or a number that is not finite: it cannot be computed.
    floor : callable
        Its floor; None: not known.
    sense : {"smallest", "largest", "nearest 0"}
        Which values are good.
    worst : float
        What a search is told when it cannot be computed, as a cost: finite, and no better than any value.
    objective : bool
        Whether a search may minimise it.
    """

    name: str
    key: str
    label: str
    group: str
    value: Callable[[Judged], float | None]
    floor: Callable[[Judged], Floor | None] = lambda judged: None
    sense: Sense = "smallest"
    worst: float = OTHERWISE_WORST
    objective: bool = True

    def cost(self, metrics: Mapping[str, float]) -> float:
        """Return what a search minimises: the value, its negative or its size, as the sense is; else the worst."""
        if self.key not in metrics:
            return self.worst
        value = metrics[self.key]
        return {"smallest": value, "largest": -value, "nearest 0": abs(value)}[self.sense]

    def shown(self, cost: float) -> float:
        """Return the metric behind a cost; of a bias, its size."""
        return -cost if self.sense == "largest" else cost


class Registry(Generic[Judged]):
    """Metrics of one kind of evaluation, in the order in which they were added."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric[Judged]] = {}

    def __getitem__(self, name: str) -> Metric[Judged]:
        return self._metrics[name]

    def __contains__(self, name: object) -> bool:
        return name in self._metrics

    def __iter__(self) -> Iterator[Metric[Judged]]:
        return iter(self._metrics.values())

    def add(self, metric: Metric[Judged]) -> None:
        """Register a metric.

        Raises
        ------
        ValueError
            If its name or its key is taken.
        """
        if metric.name in self._metrics or any(metric.key == other.key for other in self):
            raise ValueError(f"metric {metric.name!r} ({metric.key}): there is one of that name or key already")
        self._metrics[metric.name] = metric

    def metric(
        self, name: str, *, label: str, group: str, key: str | None = None,
        floor: Callable[[Judged], Floor | None] | None = None, sense: Sense = "smallest",
        worst: float = OTHERWISE_WORST, objective: bool = True,
    ) -> Callable[[Callable[[Judged], float | None]], Callable[[Judged], float | None]]:  # fmt: skip
        """Return a decorator that registers a function as a metric (see `Metric`)."""

        def register(value: Callable[[Judged], float | None]) -> Callable[[Judged], float | None]:
            made = Metric(
                name=name, key=key or name, label=label, group=group, value=value, sense=sense, worst=worst,
                objective=objective,
            )  # fmt: skip
            self.add(made if floor is None else replace(made, floor=floor))
            return value

        return register

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names that `objective.metric` accepts."""
        return tuple(metric.name for metric in self if metric.objective)

    def evaluate(self, judged: Judged) -> dict[str, float]:
        """Return every metric that can be computed by its key, with its floors as `floor/KEY` and `floor_95/KEY`."""
        found: dict[str, float | None] = {}
        for metric in self:
            found[metric.key] = metric.value(judged)
            floor = metric.floor(judged)
            if floor is not None:
                found[FLOOR + metric.key], found[FLOOR_95 + metric.key] = floor.mean, floor.high
        return {key: float(value) for key, value in found.items() if value is not None and math.isfinite(value)}


GALAXIES: Registry[Samples] = Registry()
"""Metrics of generated galaxies against real ones."""

PAIRS: Registry[EnhancementResult] = Registry()
"""Metrics of enhanced images against their targets."""
