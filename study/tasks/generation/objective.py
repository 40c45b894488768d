"""What a search over GANs that draw galaxies minimises: distances to the distributions of real galaxies."""

from __future__ import annotations

from collections.abc import Mapping

from study.config.sections import METRICS
from study.tasks.task import Names, TaskObjective

WORST = {"energy": 100.0, "spectrum": 100.0}
"""Finite values of what could not be computed; any KS distance is then 1."""


class GalaxyObjective(TaskObjective):
    """Distances, minimised as they are."""

    pictures = ("samples", "histograms")
    columns = (("floor", "ks_floor", ".3f"), ("no fit", "failed/generated", ".1%"))

    def costs(self, metrics: Mapping[str, float], names: Names, *, diverged: bool = False) -> dict[str, float]:
        """See `TaskObjective`."""
        return {name: metrics.get(METRICS[name], WORST.get(name, 1.0)) for name in names}

    def shown(self, name: str, cost: float) -> float:
        """See `TaskObjective`."""
        return cost

    def heading(self, name: str) -> str:
        """See `TaskObjective`."""
        return "objective"

    def order(self, names: Names) -> str:
        """See `TaskObjective`."""
        return "smaller is better"

    def final_note(self, count: int) -> str:
        """See `TaskObjective`."""
        return f"final: best checkpoint judged again with {count:,} new galaxies; floors of that column"
