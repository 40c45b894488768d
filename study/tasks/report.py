"""What comes back from a trial's worker: evaluations, and the reports that carry them to the driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """One evaluation, as it is written to its folder and reported.

    Attributes
    ----------
    trial, epoch : str, int
        What was judged: a trial, after so many epochs.
    objective : float
        What the search minimises; of several objectives the first.
    objectives : dict of str to float
        All of them, by the name used in the file.
    metrics : dict of str to float
        Finite numbers by their MLflow names.
    rankable : bool
        Enough galaxies could be fitted for their shapes to mean anything.
    folder : Path
        Of its files.
    time : float
        When it was found, in seconds since 1970.
    seconds : dict of str to float
        What its steps took.
    final : bool
        The trial has ended.
    diverged : str or None
        Why the trial is worth nothing any more, in words.
    clock : dict of str to float
        When the trial was proposed, taken up, begun and ready, in seconds since 1970.
    """

    trial: str
    epoch: int
    objective: float
    objectives: dict[str, float]
    metrics: dict[str, float]
    rankable: bool
    folder: Path
    time: float
    seconds: dict[str, float] = field(default_factory=dict)
    final: bool = False
    diverged: str | None = None
    clock: dict[str, float] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return what `evaluation.json` says beside the metrics."""
        return {
            "trial": self.trial,
            "epoch": self.epoch,
            "objective": self.objective,
            "objectives": self.objectives,
            "seconds": self.seconds,
            "time": self.time,
            "final": self.final,
            "diverged": self.diverged,
            "clock": self.clock,
        }

    def as_report(self) -> dict[str, Any]:
        """Return what Ray carries: facts and metrics side by side, as MLflow and Tune take them."""
        return {**self.metrics, **self.facts(), "rankable": self.rankable, "evaluation": str(self.folder)}


class TrialReport(TypedDict, total=False):
    """A report of a trial on the driver; beside these keys stand losses and metrics by their MLflow names.

    `history` has one row per epoch since the last report (`epoch`, `time`, losses). The keys from `objective` on are
    there when the report carries an evaluation; `halt`, `failed` and `traceback` when the trial cannot go on.
    """

    epoch: int
    time: float
    history: list[dict[str, float]]
    images_per_second: float
    resumed: int
    notes: list[str]
    halt: str
    failed: str
    traceback: str
    checkpoint: str
    objective: float
    objectives: dict[str, float]
    ks_floor: float
    rankable: bool
    evaluation: str
    final: bool
    diverged: str | None
    clock: dict[str, float]
