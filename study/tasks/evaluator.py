"""What judges a trial: the evaluation itself, and the evaluator that a worker keeps."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.atomic import write_json
from study.tasks.job import TrialJob
from study.tasks.report import EvaluationReport
from study.tasks.task import TaskObjective


@dataclass(frozen=True, kw_only=True)
class Evaluation(ABC):
    """What one evaluation found.

    Attributes
    ----------
    metrics : dict of str to float
        Finite numbers by their MLflow names.
    rankable : bool
        Enough galaxies could be fitted for their shapes to mean anything.
    """

    metrics: dict[str, float]
    rankable: bool = False

    def write(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write the files of the evaluation; `evaluation.json` comes last and so marks completeness."""
        folder.mkdir(parents=True, exist_ok=True)
        self._write_files(folder)
        write_json(folder / "evaluation.json", {**facts, "metrics": self.metrics, "rankable": self.rankable})

    @abstractmethod
    def _write_files(self, folder: Path) -> None:
        """Write tables and pictures."""


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics that are finite numbers: what could not be computed is left out."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


class Evaluator(ABC):
    """Judges a trial inside its worker; what it compares with stays in memory between evaluations.

    Parameters
    ----------
    job : TrialJob
        The trial.
    objective : TaskObjective
        Makes the values that the search minimises from an evaluation.
    """

    def __init__(self, job: TrialJob, objective: TaskObjective):
        self.job, self.objective = job, objective

    def run(self, trainer: Any, result: Any, *, final: bool, clock: Mapping[str, float]) -> EvaluationReport:
        """Judge the trainer's generator, write the evaluation's files and return what is reported.

        Parameters
        ----------
        trainer : TrialTrainer
            Not asked when the training diverged.
        result : EpochResult or EnhanceResult
            Of the trainer's last epoch.
        final : bool
            The trial has ended.
        clock : dict of str to float
            When the trial was proposed, taken up, begun and ready.
        """
        trial, settings = self.job.trial, self.job.settings
        started = time.time()
        gone = result.diverged is not None
        evaluation, sampled = (self.diverged(), started) if gone else self.judge(trainer)
        costs = self.objective.costs(evaluation.metrics, settings.metrics, diverged=gone)
        report = EvaluationReport(
            trial=trial.name,
            epoch=result.epoch,
            objective=costs[settings.metrics[0]],
            objectives=costs,
            metrics=evaluation.metrics,
            rankable=evaluation.rankable,
            folder=settings.files.evaluation(trial.name, result.epoch),
            time=time.time(),
            seconds={"sample": sampled - started, "measure_and_compare": time.time() - sampled},
            final=final,
            diverged=result.diverged,
            clock=dict(clock),
        )
        evaluation.write(report.folder, report.facts())
        return report

    @abstractmethod
    def judge(self, trainer: Any) -> tuple[Evaluation, float]:
        """Judge the trainer's generator: the evaluation, and when its images were there (seconds since 1970)."""

    @abstractmethod
    def diverged(self) -> Evaluation:
        """The evaluation of a trial whose networks are worth nothing: the worst finite values."""
