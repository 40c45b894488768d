"""The best trials, judged once more on images that chose none of them; the best checkpoint, kept."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.atomic import atomically
from study.config.study import Study
from study.results.trials import TrialRow
from study.tasks.task import FinalJudge, TaskObjective


def judge_finalists(
    study: Study,
    rows: list[TrialRow],
    folder: Path,
    *,
    objective: TaskObjective,
    judge: FinalJudge,
    done: Callable[[TrialRow, dict[str, float]], None],
    say: Callable[[str], None],
) -> None:
    """Judge the best checkpoint of each of the best trials once more.

    Parameters
    ----------
    rows : list of TrialRow
        Best first.
    folder : Path
        Of the study; results go to its `finalists`, and one that is there already is kept.
    objective : TaskObjective
        Makes the values that the search minimises.
    judge : callable
        From `study.tasks.task.TaskResults.final_judge`.
    done : callable
        Called with each finalist and its metrics.
    say : callable
        Told of a checkpoint that is damaged; the trial's next best one is judged in its place.
    """
    left = study.objective.finalists
    for row in rows:
        if left == 0:
            return
        target = folder / "finalists" / row.name
        if (target / "evaluation.json").exists():
            left -= 1
            continue
        best = _best_whole(row, say)
        path = row.checkpoint(best["epoch"]) if best is not None else None
        if row.ending == "failed" or best is None or path is None:
            continue
        left -= 1
        evaluation, count = judge(row, path)
        values = objective.costs(evaluation.metrics, study.objective.metrics)
        facts = {"trial": row.name, "epoch": best["epoch"], "objective": values[study.objective.metrics[0]]}
        facts |= {"time": time.time(), "objectives": values, "samples": count, "checkpoint": str(path)}
        evaluation.write(target, facts)
        done(row, evaluation.metrics)


def _best_whole(row: TrialRow, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The trial's best evaluation whose checkpoint is there and whole."""
    from gan.training.checkpoint import CheckpointError, read

    for evaluation in sorted(row.evaluations, key=lambda e: e["objective"]):
        path = row.checkpoint(evaluation["epoch"])
        if path is None:
            continue
        try:
            read(path)
            return evaluation
        except CheckpointError as error:
            say(f"trial {row.name}: {error}; its next best checkpoint is judged")
    return None


def keep_best(row: TrialRow, folder: Path) -> Path | None:
    """Copy the best checkpoint to `best/checkpoint.pt`, so that it can be taken away; None: there is none."""
    epoch = (row.final or row.best or {}).get("epoch")
    source = row.checkpoint(epoch) if epoch is not None else None
    if source is None:
        return None
    target = folder / "best" / "checkpoint.pt"
    target.parent.mkdir(exist_ok=True)
    atomically(target, lambda path: shutil.copyfile(source, path))
    return target
