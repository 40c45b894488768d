"""What a study has found so far, read from Optuna's database and the trials' folders."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from study.config.search_space import Point, same, shown
from study.config.study import Study
from study.results.recorded_trials import finished, point_of, trial_name
from study.storage.trial_folder import read_evaluations


@dataclass(frozen=True)
class TrialRow:
    """One trial of a finished or running study.

    Attributes
    ----------
    name, role : str
        Folder name, and `baseline`, `search`, ...
    point : dict
        What it sets.
    seed : int
        Its `train.seed`.
    ending : str
        `complete`, `stopped early`, `diverged`, `failed` or `running`.
    epochs : int
        Epochs trained.
    evaluations : tuple of dict
        Contents of its `evaluation.json` files, by epoch.
    final : dict or None
        The finalist's evaluation: more galaxies, fresh seed.
    folder : Path
        Of the trial.
    """

    name: str
    role: str
    point: Point
    seed: int
    ending: str
    epochs: int
    evaluations: tuple[dict[str, Any], ...]
    final: dict[str, Any] | None
    folder: Path = field(repr=False)

    @property
    def best(self) -> dict[str, Any] | None:
        """Its best evaluation among those whose checkpoint was kept."""
        kept = [e for e in self.evaluations if self.checkpoint(e["epoch"]) is not None]
        return min(kept or self.evaluations, key=lambda e: e["objective"], default=None)

    @property
    def score(self) -> float:
        """What it is ranked by: the finalist's objective, else the best evaluation."""
        if self.final is not None:
            return float(self.final["objective"])
        return float(self.best["objective"]) if self.best else float("inf")

    def checkpoint(self, epoch: int) -> Path | None:
        """The checkpoint of an epoch, if it was kept."""
        path = self.folder / f"epoch-{epoch:05d}" / "checkpoint.pt"
        return path if path.exists() else None


def collect(study: Study, history: optuna.Study, folder: Path) -> list[TrialRow]:
    """All trials that were begun, best first; finalists stand before the others."""
    rows = [_row(trial, folder) for trial in history.get_trials(deepcopy=False) if _begun(trial)]
    return sorted(rows, key=lambda row: (row.final is None, row.score, row.name))


def _begun(trial: FrozenTrial) -> bool:
    waiting = trial.state == TrialState.WAITING
    return not waiting and "point" in trial.user_attrs and "invalid" not in trial.user_attrs


def _row(trial: FrozenTrial, folder: Path) -> TrialRow:
    name = trial_name(trial.number)
    home = folder / "trials" / name
    evaluations = read_evaluations(home)
    endings = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}
    ending = endings.get(trial.state, "running")
    if evaluations and evaluations[-1].get("diverged"):
        ending = "diverged"
    final = folder / "finalists" / name / "evaluation.json"
    return TrialRow(
        name=name,
        role=trial.user_attrs["role"],
        point=point_of(trial),
        seed=trial.user_attrs["seed"],
        ending=ending,
        epochs=max((e["epoch"] for e in evaluations), default=0),
        evaluations=evaluations,
        final=json.loads(final.read_text()) if final.exists() else None,
        folder=home,
    )


def varying(study: Study, rows: list[TrialRow]) -> list[str]:
    """Paths in which the trials differ from each other, in the order of the axes."""
    paths = list(dict.fromkeys(path for row in rows for path in row.point))
    values = {path: [row.point.get(path, study.value(path)) for row in rows] for path in paths}
    return [path for path in paths if any(not same(v, values[path][0]) for v in values[path])]


def setting(study: Study, row: TrialRow, path: str) -> str:
    """A trial's value at a path, as a table shows it."""
    return shown(row.point.get(path, study.value(path)))


def pareto(rows: list[TrialRow], names: tuple[str, ...]) -> list[TrialRow]:
    """Trials that no other trial beats in every objective, by their last evaluation."""

    def values(row: TrialRow) -> list[float]:
        source = row.final or row.evaluations[-1]
        return [source["objectives"][name] for name in names]

    able = [row for row in rows if row.evaluations]
    return [row for row in able if not any(_dominates(values(other), values(row)) for other in able)]


def _dominates(a: list[float], b: list[float]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def progress_counts(history: optuna.Study) -> dict[str, int]:
    """Trials done by how they ended."""
    counts = {"complete": 0, "stopped early": 0, "failed": 0}
    names = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "stopped early", TrialState.FAIL: "failed"}
    for trial in finished(history):
        counts[names[trial.state]] += 1
    return counts
