"""Rows of trials made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from study.results.trials import TrialRow


def evaluation(epoch: int, objective: float, metrics: dict[str, float] | None = None, **facts: Any) -> dict[str, Any]:
    """Content of an `evaluation.json`."""
    found = {"ks_mean": objective, **(metrics or {})}
    return {"epoch": epoch, "objective": objective, "objectives": {"ks_mean": objective}, "metrics": found, **facts}


def trial_row(name: str, values: Sequence[float] = (), *, folder: Path | None = None, **fields: Any) -> TrialRow:
    """A trial with these objectives, one an epoch."""
    evaluations = tuple(evaluation(epoch, value) for epoch, value in enumerate(values, 1))
    return TrialRow(
        **{
            "name": name, "role": "search", "point": {}, "seed": 0, "ending": "complete", "epochs": len(values),
            "evaluations": evaluations, "final": None, "folder": folder or Path(name), **fields,
        }
    )  # fmt: skip
