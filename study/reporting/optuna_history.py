"""The search's history as a report reads it: from a copy of the database, with importances and reasons."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna

from study.config.errors import InputError
from study.config.search_space import shown
from study.config.study import Study
from study.results.trials import TrialRow
from study.search.asha import SuccessiveHalving, first_judged_epoch

FEWEST_FOR_IMPORTANCE = 10
"""Completed trials below which an importance says more about chance than about the settings."""


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[optuna.Study | None]:
    """The Optuna study in a database that may be in use, or was left by a killed process; None: there is none yet.

    A copy is read, so that nothing is written next to the original: not a lock, not a journal, not a new table.
    """
    if not path.exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="report-") as place:
        copy = Path(place) / "optuna.db"
        _copy_database(path, copy)
        storage = None
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{copy}")
            names = optuna.get_all_study_names(storage)
            yield optuna.load_study(study_name=names[0], storage=storage) if names else None
        except (sqlite3.Error, KeyError) as error:
            raise InputError(f"{path}: cannot be read as a search history ({error})") from None
        finally:
            if storage is not None:
                storage.engine.dispose()


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as opened,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            opened.backup(copy)
    except sqlite3.Error:
        # A killed writer leaves a journal that a read-only connection may not roll back; its copy may.
        for suffix in ("", "-journal", "-wal", "-shm"):
            file = source.with_name(source.name + suffix)
            if file.exists():
                shutil.copyfile(file, target.with_name(target.name + suffix))
        try:
            with contextlib.closing(sqlite3.connect(target)) as copy:
                copy.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise InputError(f"{source}: not a database, or damaged ({error})") from None


def importances(study: Study, history: optuna.Study | None) -> dict[str, float] | str:
    """Share of each axis in the variance of the objective, or why there is none."""
    if not study.axes:
        return "nothing varies in this study"
    if study.search.sampler == "ablation":
        return "an ablation moves one factor at a time; see the paired effects"
    complete = [] if history is None else history.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if history is None or len(complete) < FEWEST_FOR_IMPORTANCE:
        return (
            f"not computed: it takes {FEWEST_FOR_IMPORTANCE} trials that ran to their end, and there are "
            f"{len(complete)}"
        )
    target = (lambda trial: trial.values[0]) if len(study.objective.metrics) > 1 else None
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(history, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError, ImportError) as error:
        return f"not computed: {(str(error).splitlines() or ['no reason given'])[0]}"


def reasons(study: Study, rows: list[TrialRow], errors: dict[str, str]) -> dict[str, str]:
    """Why trials ended before their last epoch."""
    found = {}
    rules = _replayed(study, rows)
    for row in rows:
        if row.ending == "failed":
            found[row.name] = errors.get(row.name, "no reason was recorded")
        elif row.ending == "diverged":
            found[row.name] = f"diverged: {row.evaluations[-1]['diverged']}"
        elif row.ending == "stopped early":
            found[row.name] = rules.get(row.name, "by the scheduler")
    return found


def _replayed(study: Study, rows: list[TrialRow]) -> dict[str, str]:
    """The rule of successive halving at each stop, by judging all evaluations again in the order of their time."""
    scheduler = study.scheduler
    if scheduler.name == "none":
        return {}
    halving = SuccessiveHalving(
        grace_epochs=scheduler.grace_epochs,
        reduction_factor=scheduler.reduction_factor,
        epochs=study.train.epochs,
        judge_over=scheduler.judge_over,
    )
    first = {}
    for row in rows:
        _, train = study.configure(row.point, row.seed)
        first[row.name] = first_judged_epoch(train, scheduler.grace_epochs)
    events = sorted(
        ((e.get("time", 0.0), e["epoch"], row) for row in rows for e in row.evaluations), key=lambda event: event[:2]
    )
    found = {}
    for _, epoch, row in events:
        number = int(row.name)
        value = next(e["objective"] for e in row.evaluations if e["epoch"] == epoch)
        if not math.isfinite(value) or not halving.judge(number, epoch, value, first_epoch=first[row.name]):
            continue
        rung = max(r for r in halving.rungs if r <= epoch)
        others = list(halving.recorded[rung].values())
        bound = float(np.quantile(others, 1 / scheduler.reduction_factor))
        found[row.name] = (
            f"{halving.recorded[rung][number]:.3f} at rung {rung}; to go on it took at most {bound:.3f}, "
            f"the best 1/{shown(scheduler.reduction_factor)} of {len(others)} trials there"
        )
    return found
