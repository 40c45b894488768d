"""What a search over GANs that draw galaxies minimises: distances to the distributions of real galaxies."""

from __future__ import annotations

from collections.abc import Mapping

from eval.metrics import GALAXIES
from study.tasks.task import Names, TaskObjective


class GalaxyObjective(TaskObjective):
    """Distances, minimised as they are."""

    pictures = ("samples", "histograms")
    columns = (("floor", "ks_floor", ".3f"), ("no fit", "failed/generated", ".1%"))

    def costs(self, metrics: Mapping[str, float], names: Names, *, diverged: bool = False) -> dict[str, float]:
        """See `TaskObjective`."""
        return {name: GALAXIES[name].cost(metrics) for name in names}

    def shown(self, name: str, cost: float) -> float:
        """See `TaskObjective`."""
        return GALAXIES[name].shown(cost)

    def heading(self, name: str) -> str:
        """See `TaskObjective`."""
        return "objective"

    def order(self, names: Names) -> str:
        """See `TaskObjective`."""
        return "smaller is better"

    def final_note(self, count: int) -> str:
        """See `TaskObjective`."""
        return f"final: best checkpoint judged again with {count:,} new galaxies; floors of that column"
