"""What a search over enhancers minimises: metrics of pairs, turned so that smaller is better."""

from __future__ import annotations

from collections.abc import Mapping

from eval.metrics import PAIRS
from study.tasks.task import Names, TaskObjective


class PairObjective(TaskObjective):
    """Metrics of which the largest, the smallest or those nearest 0 are good."""

    pictures = ("triptychs", "differences")
    columns = (
        ("psnr", "psnr", ".2f"),
        ("of input", "psnr/input", ".2f"),
        ("spectrum", "spectrum", ".3f"),
        ("of input", "spectrum/input", ".3f"),
        ("gain", "gain", "+.2f"),
    )

    def costs(self, metrics: Mapping[str, float], names: Names, *, diverged: bool = False) -> dict[str, float]:
        """See `TaskObjective`."""
        return {name: PAIRS[name].cost({} if diverged else metrics) for name in names}

    def shown(self, name: str, cost: float) -> float:
        """See `TaskObjective`."""
        return PAIRS[name].shown(cost)

    def heading(self, name: str) -> str:
        """See `TaskObjective`."""
        return f"|{name}|" if PAIRS[name].sense == "nearest 0" else name

    def order(self, names: Names) -> str:
        """See `TaskObjective`."""
        senses = dict.fromkeys(PAIRS[name].sense for name in names)
        if len(senses) == 1:
            return f"{next(iter(senses))} is best"
        return ", ".join(f"{name}: {PAIRS[name].sense}" for name in names)

    def final_note(self, count: int) -> str:
        """See `TaskObjective`."""
        return f"final: best checkpoint judged on {count:,} pairs that chose nothing; the columns beside it are of them"
