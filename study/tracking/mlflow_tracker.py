"""MLflow, written by one thread of the driver: parent run = study, child run = trial.

Tune's loop only puts facts on a queue. The thread sends them, tries again while a server is away, and draws the
histograms, so that neither a slow store nor a figure delays a trial. Every metric carries the time at which it was
found, not sent: MLflow takes a value that it has already for the same one, so that sending twice is harmless.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from common.errors import InputError, first_line
from study.config.search_space import shown, shown_point
from study.config.study import Study
from study.tracking.credentials import scrubbed, without_password
from study.tracking.mlflow_store import create_store, quiet_logs

log = logging.getLogger(__name__)
CLOSE_TIMEOUT_S = 120.0
TRIES = 5
"""Of a message that a store which does answer refuses."""
ROWS_AT_ONCE = 200
PICTURES = "pictures"
"""Folder of a trial's artifacts with the pictures of each evaluation, `epoch-00010/samples.png`."""


@dataclass(frozen=True)
class Pictures:
    """The pictures of an evaluation that MLflow gets.

    Attributes
    ----------
    names : tuple of str
        PNG files of an evaluation's folder, without suffix.
    plot : callable
        Draws into the folder what the worker left out.
    """

    names: tuple[str, ...] = ()
    plot: Callable[[Path], None] = lambda folder: None


class Tracker:
    """The only writer to MLflow.

    Parameters
    ----------
    uri : str
        Tracking store.
    study : Study
        Names the experiment.
    identity : str
        Unique to this study's results folder; a resumed study finds its runs by it.
    artifacts : Path
        Where artifacts go when the store is a database.
    say : callable or None
        Told, in one line, when the store goes away and when it is back.
    pictures : Pictures
        Sent with every evaluation.
    """

    def __init__(
        self,
        uri: str,
        study: Study,
        identity: str,
        artifacts: Path,
        say: Callable[[str], None] | None = None,
        *,
        pictures: Pictures = Pictures(),
    ):
        self.pictures = pictures
        self.uri, self.study, self.identity, self.artifacts = uri, study, identity, artifacts
        self.parent: str | None = None
        self.experiment: str | None = None
        self._say = say or log.warning
        self._away = False
        self._runs: dict[str, str] = {}
        self._known: set[str] = set()
        self._logged: dict[str, int] = {}
        self._evaluated: dict[str, set[int]] = {}
        self._pictured: dict[str, set[str]] = {}
        self._client: Any = None
        self._queue: queue.Queue[tuple[str, Callable[[], None]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._stop_retrying = threading.Event()
        self.unsent = 0

    def start(self, files: dict[str, str]) -> None:
        """Find or create experiment and parent run, now, so that an unusable store is known at once.

        Parameters
        ----------
        files : dict of str to str
            Text artifacts of the parent run by name.
        """
        import mlflow

        quiet_logs()
        try:
            create_store(self.uri)
            self._client = mlflow.MlflowClient(tracking_uri=self.uri)
            self.experiment = self._experiment()
            self.parent = self._find_or_create_parent()
            self._client.update_run(self.parent, status="RUNNING")
            self._known = {run.data.tags["trial_id"] for run in self._trial_runs()}
            for name, text in files.items():
                self._client.log_text(self.parent, text, name)
        except Exception as error:
            reason = scrubbed(first_line(error), self.uri)
            raise InputError(f"--tracking-uri {without_password(self.uri)}: MLflow cannot use it: {reason}") from error
        self._thread.start()

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.study.name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
            return found.experiment_id
        server = urlparse(self.uri).scheme in ("http", "https")
        location = None if server else (self.artifacts / self.study.name).resolve().as_uri()
        return self._client.create_experiment(self.study.name, artifact_location=location)

    def _find_or_create_parent(self) -> str:
        from mlflow.entities import Param

        study = self.study
        run = self._find({"study_id": self.identity, "kind": "study"})
        if run is None:
            tags = {"study": study.name, "study_id": self.identity, "kind": "study", "digest": study.digest()}
            tags |= {"mlflow.note.content": study.description, **({"smoke": "true"} if study.smoke else {})}
            run = self._client.create_run(self.experiment, run_name=f"{study.name} (study)", tags=tags)
        facts = {
            "sampler": study.search.sampler,
            "trials": study.trials,
            "metric": study.objective.metric,
            "samples": study.objective.samples,
            "data.set": study.data.set,
            "data.image_size": study.data.image_size,
            **{f"axis.{axis.name}": axis.describe() for axis in study.axes},
        }
        if not run.data.params:
            params = [Param(name, str(value)[:500]) for name, value in facts.items()]
            self._client.log_batch(run.info.run_id, params=params)
        return run.info.run_id

    def _find(self, tags: dict[str, str]) -> Any:
        where = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        runs = self._client.search_runs([self.experiment], filter_string=where, max_results=1)
        return runs[0] if runs else None

    def ended_runs(self) -> set[str]:
        """Names of the trials whose runs have ended in the store."""
        return {r.data.tags["trial_id"] for r in self._trial_runs() if r.info.status in ("FINISHED", "FAILED")}

    def _trial_runs(self) -> Iterator[Any]:
        where = f"tags.`study_id` = '{self.identity}' and tags.`kind` = 'trial'"
        token: str | None = ""
        while token is not None:
            page = self._client.search_runs([self.experiment], filter_string=where, max_results=1000, page_token=token)
            yield from page
            token = page.token or None

    def trial_started(self, config: dict[str, Any]) -> None:
        """A trial begins or goes on."""
        self._put(f"start {config['name']}", lambda: self._start_trial(config))

    def _start_trial(self, config: dict[str, Any]) -> None:
        name = config["name"]
        if name in self._runs:
            return
        tags = {"mlflow.parentRunId": str(self.parent), "trial_id": name, "study_id": self.identity, "kind": "trial"}
        # Searching takes longer the more runs there are, so only names that may be there already are searched for.
        run = self._find({"study_id": self.identity, "trial_id": name}) if name in self._known else None
        self._known.add(name)
        if run is None:
            label = shown_point(config["point"]) or config["role"]
            tags |= {"role": config["role"], **({"smoke": "true"} if self.study.smoke else {})}
            run = self._client.create_run(self.experiment, run_name=f"{name} {label}"[:250], tags=tags)
        else:
            self._client.update_run(run.info.run_id, status="RUNNING")
        run_id = run.info.run_id
        if not run.data.params:
            from mlflow.entities import Param

            params = [Param(k, shown(v)[:500]) for k, v in flat_settings(config).items()]
            self._client.log_batch(run_id, params=params)
        self._see_what_is_there(name, run)
        self._runs[name] = run_id

    def _see_what_is_there(self, name: str, run: Any) -> None:
        run_id, metrics = run.info.run_id, run.data.metrics

        def steps(key: str) -> set[int]:
            return {m.step for m in self._client.get_metric_history(run_id, key)} if key in metrics else set()

        self._logged[name] = max(steps("images_per_second"), default=0)
        self._evaluated[name] = steps("objective")
        files = self._client.list_artifacts(run_id, PICTURES) if self._evaluated[name] else []
        self._pictured[name] = {file.path for file in files}

    def trial_result(self, config: dict[str, Any], result: dict[str, Any]) -> None:
        """A report: losses of the epochs since the last one and, if there is one, an evaluation."""
        self._put(f"result {config['name']}", lambda: self._log_result(config, result))

    def _log_result(self, config: dict[str, Any], result: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        self._start_trial(config)
        if "epoch" not in result:
            return
        run_id, name, epoch = self._runs[config["name"]], config["name"], int(result["epoch"])
        if result.get("notes"):
            self._client.set_tag(run_id, "notes", "; ".join(result["notes"])[:5000])
        rows = [row for row in result.get("history", []) if row["epoch"] > self._logged[name]]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            batch = rows[start : start + ROWS_AT_ONCE]
            metrics = [
                Metric(key, float(value), _milliseconds(row), int(row["epoch"]))
                for row in batch
                for key, value in row.items()
                if key not in ("epoch", "time") and isinstance(value, (int, float)) and abs(value) < 1e300
            ]
            self._client.log_batch(run_id, metrics=metrics)
            self._logged[name] = int(batch[-1]["epoch"])
        if "objective" in result and epoch not in self._evaluated[name]:
            in_rows = set().union(*result.get("history", []))
            values = {k: v for k, v in result.items() if isinstance(v, float) and _is_metric(k) and k not in in_rows}
            metrics = [Metric(k, v, _milliseconds(result), epoch) for k, v in values.items()]
            self._client.log_batch(run_id, metrics=metrics)
            self._evaluated[name].add(epoch)
        if "evaluation" in result:
            self._log_images(name, Path(result["evaluation"]), epoch)

    def _log_images(self, name: str, folder: Path, epoch: int) -> None:
        place = f"{PICTURES}/epoch-{epoch:05d}"
        if not self.pictures.names or place in self._pictured[name]:
            return
        try:
            self.pictures.plot(folder)
        except (OSError, ValueError) as error:
            log.warning("no figures for %s: %s", folder, error)
        for key in self.pictures.names:
            path = folder / f"{key}.png"
            if path.exists():
                self._client.log_artifact(self._runs[name], str(path), place)
        self._pictured[name].add(place)

    def trial_ended(self, config: dict[str, Any], status: str, tags: dict[str, Any]) -> None:
        """A trial ended: `status` is FINISHED, FAILED or KILLED."""

        def send() -> None:
            self._start_trial(config)
            run_id = self._runs[config["name"]]
            for name, value in tags.items():
                self._client.set_tag(run_id, name, str(value)[:5000])
            self._client.set_terminated(run_id, status)

        self._put(f"end {config['name']}", send)

    def log_files(
        self, trial: str | None, files: dict[str, Path], metrics: dict[str, float] | None = None, *, found: float = 0.0
    ) -> None:
        """Files as artifacts by name, and metrics without epoch, on a trial's run or, for None, the parent.

        `found` is when the metrics were found, in seconds since 1970: sent again, they are the same.
        """

        def send() -> None:
            from mlflow.entities import Metric

            run_id = self.parent if trial is None else self._runs.get(trial)
            run_id = run_id or self._find({"study_id": self.identity, "trial_id": str(trial)}).info.run_id
            at = _milliseconds({"time": found} if found else {})
            self._client.log_batch(run_id, metrics=[Metric(k, float(v), at, 0) for k, v in (metrics or {}).items()])
            for name, path in files.items():
                folder = os.path.dirname(name) or None
                self._client.log_artifact(run_id, str(path), folder)

        self._put("files", send)

    def close(self, status: str, timeout: float = CLOSE_TIMEOUT_S) -> int:
        """Send what is queued, end the parent run, and return how many messages could not be sent."""
        if self.parent is None:
            return 0
        self._put("end study", lambda: self._client.set_terminated(self.parent, status))
        self._queue.put(None)
        self._thread.join(timeout)
        self._stop_retrying.set()
        self._thread.join(5)
        self.unsent += max(0, self._queue.qsize() - 1)
        return self.unsent

    def _put(self, what: str, send: Callable[[], None]) -> None:
        self._queue.put((what, send))

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            self._deliver(*item)

    def _deliver(self, what: str, send: Callable[[], None]) -> None:
        for attempt in itertools.count(1):
            try:
                send()
                break
            except Exception as error:  # noqa: BLE001 (whatever a store raises; `_may_pass` tells them apart)
                if self._stop_retrying.is_set() or not _may_pass(error) or (attempt >= TRIES and self._answers()):
                    self.unsent += 1
                    if not self._stop_retrying.is_set():
                        reason = scrubbed(first_line(error), self.uri)
                        log.warning("MLflow refused '%s': %s", what, reason)
                    return
                if not self._away and attempt > 1:
                    self._away = True
                    self._say(f"MLflow at {without_password(self.uri)} is away; metrics are kept and sent later")
                self._stop_retrying.wait(min(0.5 * 2 ** min(attempt, 6), 15.0))
        if self._away:
            self._away = False
            self._say(f"MLflow at {without_password(self.uri)} is back")

    def _answers(self) -> bool:
        """Whether the store is there, so that a message which fails is itself at fault."""
        try:
            return self._client.get_experiment(self.experiment) is not None
        except Exception:  # noqa: BLE001 (of whatever kind: it did not answer)
            return False


def _milliseconds(found: dict[str, Any]) -> int:
    """When something was found, as MLflow counts."""
    return int(found.get("time", time.time()) * 1000)


def _may_pass(error: Exception) -> bool:
    """Whether sending again may succeed: the store is away or busy, and the message itself is not at fault."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
    return isinstance(error, OSError)


def _is_metric(name: str) -> bool:
    return name not in ("time", "time_this_iter_s", "time_total_s", "time_since_restore", "timestamp")


def flat_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Dotted settings of a trial: what the compare page shows."""
    flat: dict[str, Any] = {"role": config["role"]}

    def visit(prefix: str, node: Any) -> None:
        for key, value in node.items():
            if isinstance(value, dict):
                visit(f"{prefix}.{key}", value)
            else:
                flat[f"{prefix}.{key}"] = value

    visit("model", config["model"])
    visit("train", config["train"])
    return flat
