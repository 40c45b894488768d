"""The search itself: Ray Tune, fed by Optuna, watched by the scheduler, heard by tracker and screen."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from study.cluster.placement import Placement
from study.config.study import Study
from study.search.asha import SuccessiveHalving, tune_scheduler
from study.search.history import History, replayable
from study.search.progress import Progress
from study.search.searcher import HistorySearch
from study.storage.disk_errors import StudyHaltedError
from study.storage.trial_folder import reported
from study.tasks.job import TrialSettings, TrialSpec
from study.tasks.report import TrialReport
from study.tracking.mlflow_tracker import Tracker
from study.trials.trainable import run_trial

MAX_TRIAL_FAILURES = 1


def search(
    study: Study,
    history: History,
    settings: TrialSettings,
    placement: Placement,
    folder: Path,
    *,
    tracker: Tracker,
    progress: Progress,
    capacity: Callable[[], int] | None = None,
) -> None:
    """Run all trials that are not finished yet.

    Parameters
    ----------
    study, history : Study, History
        What is searched, and what is known already.
    settings : TrialSettings
        What all trials share.
    placement : Placement
        Trials at once.
    folder : Path
        Of the study; Tune's own files go to its `tune`.
    tracker, progress : Tracker, Progress
        Hear of every report.
    capacity : callable or None
        Trials that the cluster has room for now, in place of `placement.concurrent`.

    Raises
    ------
    StudyHaltedError
        No trial can go on now; those that ran are unfinished and can be resumed.
    """
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(placement.concurrent + 1))
    trainable = tune.with_resources(functools.partial(run_trial, settings=settings), {"node:__internal_head__": 0.001})
    searcher = HistorySearch(study, history, folder / "trials", capacity)
    halving = make_halving(study)
    if halving is not None:
        halving.replay(replayable(study, history.study))
    tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=tune_scheduler(halving, spared=("baseline",) if study.scheduler.spare_baseline else ()),
            num_samples=-1,
            max_concurrent_trials=None if capacity else placement.concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"trial_{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str(folder / "tune"),
            verbose=0,
            callbacks=[Listener(tracker, progress, folder / "trials", capacity)],
            stop=_WhenHalted(searcher),
            failure_config=tune.FailureConfig(max_failures=MAX_TRIAL_FAILURES),
        ),
    ).fit()
    if searcher.halted:
        raise StudyHaltedError(searcher.halted)


def make_halving(study: Study) -> SuccessiveHalving | None:
    """The stopping rule of the study, or None."""
    scheduler = study.scheduler
    if scheduler.name == "none":
        return None
    return SuccessiveHalving(
        grace_epochs=scheduler.grace_epochs,
        reduction_factor=scheduler.reduction_factor,
        epochs=study.train.epochs,
        judge_over=scheduler.judge_over,
    )


class _WhenHalted(tune.Stopper):
    """Stops all trials once one has met what stops them all."""

    def __init__(self, searcher: HistorySearch):
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.searcher.halted is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Listener(tune.Callback):
    """Passes Tune's events on, on Tune's own thread: nothing here may take long."""

    def __init__(
        self,
        tracker: Tracker,
        progress: Progress,
        trials: Path | None = None,
        capacity: Callable[[], int] | None = None,
    ):
        self.tracker, self.progress, self.trials, self.capacity = tracker, progress, trials, capacity
        self.halted = False

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune looks for events; also when no trial is left to begin, a node that leaves or joins is said."""
        if self.capacity is not None:
            self.capacity()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial begins or goes on."""
        self.tracker.trial_started(trial.config)
        self.progress.started(TrialSpec.from_config(trial.config))

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **info: Any) -> None:
        """A trial reported."""
        report: TrialReport = result
        spec = TrialSpec.from_config(trial.config)
        name = spec.name
        for note in report.get("notes", []):
            self.progress.say(f"trial {name}: {note}")
        if "resumed" in report:
            self.progress.say(f"trial {name} goes on from epoch {report['resumed']}")
            for evaluation in reported(self.trials / name)[1] if self.trials else []:
                self.tracker.trial_result(trial.config, evaluation)
        self.halted |= "halt" in report
        self.tracker.trial_result(trial.config, result)
        self.progress.reported(spec, report)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial reached its end or was stopped."""
        result: TrialReport = trial.last_result or TrialReport()
        if self.halted:
            return
        if result.get("failed"):
            self._failed(trial, result["failed"], _write_traceback(trial, result))
            return
        ending = "complete" if result.get("final") else "stopped early"
        tags = {"ending": ending, "epochs": result.get("epoch", 0)}
        if result.get("diverged"):
            tags["diverged"] = result["diverged"]
        self.tracker.trial_ended(trial.config, "FINISHED", tags)
        self.progress.ended(TrialSpec.from_config(trial.config), ending)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed for good."""
        self._failed(trial, _last_line(trial.error_file), trial.error_file)

    def _failed(self, trial: Any, reason: str, file: Any) -> None:
        self.tracker.trial_ended(trial.config, "FAILED", {"ending": "failed", "error": reason})
        self.progress.ended(TrialSpec.from_config(trial.config), "failed")
        self.progress.say(f"  {reason}  (in full: {file})")

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _write_traceback(trial: Any, result: TrialReport) -> Path:
    path = Path(trial.path) / "error.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result["traceback"])
    return path


def _last_line(path: str | None) -> str:
    try:
        lines = [line for line in Path(path or "").read_text().splitlines() if line.strip()]
    except OSError:
        return "no error was recorded"
    return lines[-1].strip()[:300] if lines else "no error was recorded"
