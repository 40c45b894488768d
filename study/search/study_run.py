"""A study from its first or next trial to its ranked table: search, finalists, MLflow, what the user sees of them."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from common.atomic import atomic_path, write_text
from common.command import take_sigterm_as_ctrl_c
from common.errors import EXIT_FAILED, EXIT_OK, InputError
from eval.catalogue import write_catalogue
from study.cluster import ray_session
from study.cluster.placement import Placement
from study.config.study import Study
from study.results.environment import environment_json
from study.results.recorded_trials import finished
from study.results.summary import show
from study.results.trials import TrialRow, collect, progress_counts
from study.search import plan
from study.search.finalists import judge_finalists, keep_best
from study.search.history import History, close_unfinished, open_history
from study.search.mlflow_backfill import send_missing
from study.search.progress import Progress
from study.storage.object_store import bring_best, send_inputs
from study.storage.study_folder import StudyFolder
from study.storage.trial_files import TrialFiles
from study.tasks.job import TrialSettings
from study.tasks.registry import task_of
from study.tasks.split import DatasetSplit, load_rows
from study.tasks.task import Task
from study.tracking.credentials import without_password
from study.tracking.mlflow_tracker import CLOSE_TIMEOUT_S, Pictures, Tracker

if TYPE_CHECKING:
    import optuna
    import pandas as pd

SPARE_FINALISTS = 2
"""Trials more than finalists whose checkpoints are fetched from a store, should one be damaged."""

SHORT_PATIENCE_S = 10.0
"""For MLflow, when a study is interrupted: `--resume` sends what is missing."""


@dataclass(frozen=True)
class StudyRun:
    """A study in a folder that this process holds, from its first or next trial to its table.

    Attributes
    ----------
    study : Study
        The study.
    folder : StudyFolder
        Of the study.
    images : DatasetSplit
        Opened and divided.
    placement : Placement
        Trials at once.
    uri : str
        MLflow store.
    console : Console
        Where to print.
    started : float
        Time of the command's start, as `time.time` gives it.
    address : str or None
        Of the cluster that was joined; None: a private Ray is started when it is needed.
    finish : bool
        Train no more, judge what there is.
    """

    study: Study
    folder: StudyFolder
    images: DatasetSplit
    placement: Placement
    uri: str
    console: Console
    started: float
    address: str | None = None
    finish: bool = False

    @functools.cached_property
    def task(self) -> Task:
        """What the study is about."""
        return task_of(self.study)

    @property
    def files(self) -> TrialFiles:
        """Where its trials read and write."""
        folder = self.folder
        stage1 = getattr(self.study.objective, "stage1", None)
        return TrialFiles.of_study(
            folder.path,
            self.images.path,
            stage1=Path(stage1).resolve() if stage1 else None,
            storage=folder.mirror.uri if folder.mirror else None,
        )

    def say(self, text: str) -> None:
        """Print a line as it is."""
        self.console.print(text, markup=False, soft_wrap=True)

    def run(self) -> int:
        """Run what is left of the study, print its table and return the exit code."""
        study, folder = self.study, self.folder
        history = open_history(study, folder.database)
        if folder.state.get("ended") and (self.finish or len(finished(history.study)) >= study.trials):
            if not folder.state.get("unsent"):
                self.console.print(f"{folder.path}: this study is finished; nothing to do")
                return self.show_end(history.study)
            self.console.print(f"{folder.path}: this study is finished; sending MLflow what it has not got yet")
        unsent = self._work(history)
        folder.save(ended=time.time(), unsent=unsent)
        if folder.mirror:
            folder.mirror.push_driver()
        self.console.print(f"\ntook {plan.duration(time.time() - self.started)}")
        return self.show_end(history.study)

    def _work(self, history: History) -> int:
        """Search and judge; returns how many messages MLflow did not take."""
        study, folder = self.study, self.folder
        reference = self.prepare()
        tracker = self._tracker()
        status, patience = "KILLED", SHORT_PATIENCE_S
        try:
            if self.finish:
                close_unfinished(history.study)
            send_missing(study, history.study, folder.trials, tracker)
            if not self.address and not folder.state.get("ended"):
                ray_session.start(None, self.placement)
            take_sigterm_as_ctrl_c()  # Ray has put a handler of its own in place
            ray_session.silence()
            self.show_plan()
            if not self.finish and len(finished(history.study)) < study.trials:
                self.search(history, tracker)
            self.judge(history, reference, tracker)
            status, patience = "FINISHED", CLOSE_TIMEOUT_S
        finally:
            ray_session.stop()
            unsent = tracker.close(status, patience)
            if unsent:
                self.say(
                    f"MLflow at {without_password(self.uri)} did not take {unsent} message(s); "
                    "the results folder holds everything, and --resume sends it"
                )
        return unsent

    def prepare(self) -> pd.DataFrame | None:
        """Write split and reference catalogue where all workers find them; returns the catalogue."""
        path = self.folder.path / "split.npz"
        parts: dict[str, Any] = self.images.parts
        if not path.exists():
            with atomic_path(path) as partial:
                np.savez(partial, **parts)
        elif any(not np.array_equal(load_rows(path, part), rows) for part, rows in parts.items()):
            raise InputError(
                f"--resume: {path} divides the images otherwise than this version of the program does; "
                "give the study another name to begin it anew"
            )
        with self.console.status("measuring the reference galaxies") as status:

            def progress(done: int, total: int) -> None:
                status.update(f"measuring the reference galaxies: {done:,} of {total:,}")

            catalogue = self.task.images.measure_reference(self.images, self.folder.cache, progress)
        if catalogue is not None:
            write_catalogue(catalogue, self.folder.path / "reference.parquet")
        return catalogue

    def _tracker(self) -> Tracker:
        """Return what writes to MLflow, with the run of the study begun."""
        study, folder = self.study, self.folder
        pictures = Pictures(self.task.objective.pictures, self.task.results.plot_evaluation)
        artifacts = folder.results / "artifacts"
        tracker = Tracker(self.uri, study, folder.state["study_id"], artifacts, self.say, pictures=pictures)
        facts = environment_json()
        write_text(folder.path / "environment.json", facts)
        send_inputs(folder.mirror, self.images.path, self.files.stage1)
        tracker.start({"study.yaml": study.as_yaml(), "environment.json": facts})
        return tracker

    def show_plan(self) -> None:
        """Print the plan, and the expected time."""
        planned = self.task.cost.planned()
        plan.show(self.console, plan.rows(self.study, planned, self.placement, self.images.describe()))
        cost = self.task.cost.calibrate(self.placement)
        seconds = plan.expected_seconds(self.study, self.placement, cost, len(self.images.train))
        self.console.print(f"expected time: about {plan.duration(seconds)}")
        if seconds > plan.UNREASONABLE_S:
            self.console.print(
                "this is long for this machine: --smoke tries the whole way in minutes; Ctrl-C stops, "
                "--resume continues"
            )

    def search(self, history: History, tracker: Tracker) -> None:
        """Run the trials that are not finished."""
        from study.search.loop import search

        study, objective = self.study, self.task.objective
        metric = study.objective.metrics[0]

        def in_words(cost: float) -> str:
            return f"{objective.heading(metric)} {objective.shown(metric, cost):.3f}"

        with Progress(self.console, study.trials, progress_counts(history.study), in_words) as shown:
            search(
                study, history, self._settings(), self.placement, self.folder.path, tracker=tracker, progress=shown,
                capacity=ray_session.Capacity(study, self.say) if self.address else None,
            )  # fmt: skip

    def _settings(self) -> TrialSettings:
        from study.trials.worker import logical_gpus

        objective, resources = self.study.objective, self.study.resources
        return TrialSettings(
            files=self.files,
            samples=objective.samples,
            every_epochs=objective.every_epochs,
            engine=objective.engine,
            metrics=objective.metrics,
            workers=resources.workers,
            cpus_per_worker=resources.cpus_per_worker,
            gpus_per_worker=resources.gpus_per_worker,
            threads=self.placement.threads,
            logical_gpus=logical_gpus(),
        )

    def judge(self, history: History, reference: pd.DataFrame | None, tracker: Tracker) -> None:
        """Judge the finalists, keep the best checkpoint, hand both to MLflow."""
        study, folder = self.study, self.folder
        rows = collect(study, history.study, folder.path)
        bring_best(folder.mirror, rows[: study.objective.finalists + SPARE_FINALISTS])
        with self.console.status("judging the finalists"):
            cpus = int(sum(node.cpus for node in self.placement.nodes))
            judge_finalists(
                study, rows, folder.path, objective=self.task.objective,
                judge=self.task.results.final_judge(reference, self.files, cpus),
                done=self.say_finalist, say=self.console.print,
            )  # fmt: skip
        rows = collect(study, history.study, folder.path)
        for row in rows:
            if row.final is not None:
                self._track_finalist(row, row.final, tracker)
        best = keep_best(rows[0], folder.path) if rows else None
        if best:
            at = (rows[0].final or rows[0].best or {}).get("time", 0.0)
            tracker.log_files(rows[0].name, {"model/checkpoint.pt": best})
            tracker.log_files(None, {"model/checkpoint.pt": best}, {"best/objective": rows[0].score}, found=at)

    def say_finalist(self, row: TrialRow, metrics: dict[str, float]) -> None:
        """Print what a finalist reached, and how often its nearest real image is one that it was trained on."""
        objective, name = self.task.objective, self.study.objective.metrics[0]
        share, expected = (metrics.get(f"memorisation/in_training{end}") for end in ("", "_expected"))
        copied = f", nearest real image is a training one for {share:.1%} (expected {expected:.1%})" if expected else ""
        value = objective.shown(name, objective.costs(metrics, (name,))[name])
        self.console.print(f"finalist {row.name}: {name} {value:.3f}{copied}")

    def _track_finalist(self, row: TrialRow, final: dict[str, Any], tracker: Tracker) -> None:
        home = self.folder.path / "finalists" / row.name
        self.task.results.plot_evaluation(home)
        files = {f"final/{p.name}": p for p in sorted(home.iterdir()) if p.suffix in (".png", ".json", ".parquet")}
        metrics = {f"final/{name}": value for name, value in final["metrics"].items()}
        tracker.log_files(row.name, files, metrics, found=final.get("time", 0.0))

    def show_end(self, history: optuna.Study) -> int:
        """Print the ranked table and where things are; returns the exit code."""
        rows = collect(self.study, history, self.folder.path)
        best = self.folder.path / "best" / "checkpoint.pt"
        shown = without_password(self.uri)
        server = self.uri.startswith("http")
        ui = f"open {shown}" if server else f"mlflow ui --backend-store-uri {shown} --port 5000"
        use = self.task.results.use(best)
        kept = best if best.exists() else None
        show(self.console, self.study, self.task.objective, rows, self.folder.path, best=kept, use=use, ui=ui)
        return EXIT_OK if any(row.ending in ("complete", "stopped early", "diverged") for row in rows) else EXIT_FAILED
