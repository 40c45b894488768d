"""What a search over enhancers minimises: metrics of pairs, turned so that smaller is better."""

from __future__ import annotations

from collections.abc import Mapping

from study.config.pair_sections import SENSES, cost, shown_cost
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
        return {name: cost(name, {} if diverged else metrics) for name in names}

    def shown(self, name: str, cost: float) -> float:
        """See `TaskObjective`."""
        return shown_cost(name, cost)

    def heading(self, name: str) -> str:
        """See `TaskObjective`."""
        return f"|{name}|" if SENSES[name] == "nearest 0" else name

    def order(self, names: Names) -> str:
        """See `TaskObjective`."""
        senses = dict.fromkeys(SENSES[name] for name in names)
        if len(senses) == 1:
            return f"{next(iter(senses))} is best"
        return ", ".join(f"{name}: {SENSES[name]}" for name in names)

    def final_note(self, count: int) -> str:
        """See `TaskObjective`."""
        return f"final: best checkpoint judged on {count:,} pairs that chose nothing; the columns beside it are of them"
