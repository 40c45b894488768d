"""Studies as processes of their own, and whether what they leave in their stores agrees."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = """\
study: tiny
data: {set: synthetic, synthetic_count: 120, held_out: 50}
model: {width: 4}
train: {epochs: 12, batch_size: 32, lr: 1.0e-3}
objective: {samples: 50, every_epochs: 2, finalists: 1, final_samples: 60}
search: {sampler: random, trials: 2, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-4, 1.0e-2], log: true}}
"""
PATIENCE_S = float(os.environ.get("SURVIVAL_PATIENCE_S", "600"))


class Place:
    """A study's YAML, its results, and the processes that run it."""

    def __init__(self, folder, text=TINY, *, results=None, environment=None):
        self.folder, self.results = folder, results or folder / "results"
        self.environment = {**os.environ, **(environment or {})}
        (folder / "tiny.yaml").write_text(text)
        self.home = self.results / "tiny"
        self.log = folder / "log"

    def start(self, *more, **how):
        arguments = ["--space", str(self.folder / "tiny.yaml"), "--results", str(self.results), *more]
        with open(self.log, "a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "study.run", *arguments],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, **how,
            )  # fmt: skip

    def finish(self, *more):
        """Run to the end; the exit code."""
        return self.start(*more).wait(timeout=2 * PATIENCE_S)

    def said(self):
        return self.log.read_text()

    def evaluations(self):
        return sorted(self.home.glob("trials/*/evaluations/*/evaluation.json"))

    def optuna_trials(self):
        study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{self.home / 'optuna.db'}")
        return [t for t in study.trials if "invalid" not in t.user_attrs]


@contextlib.contextmanager
def running(place, *more):
    """A study as a process of its own, stopped with all that it started when the test leaves."""
    process = place.start(*more)
    try:
        yield process
    finally:
        everyone = descendants(process.pid)
        if process.poll() is None:
            process.kill()
            process.wait()
        for one in everyone:
            with contextlib.suppress(psutil.Error):
                one.kill()


def descendants(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def title(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(condition, process=None, timeout=PATIENCE_S):
    deadline = time.time() + timeout
    while time.time() < deadline:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            return None
        time.sleep(0.1)
    raise AssertionError("what was waited for did not come")


def agree(place, names, uri=None):
    """Optuna, MLflow and the results folder hold the same trials, epochs and values: each once, none open."""
    trials = {f"{t.number:04d}": t for t in place.optuna_trials()}
    assert sorted(trials) == names and all(t.state.is_finished() for t in trials.values())
    client = mlflow.MlflowClient(uri or f"sqlite:///{place.results / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id], max_results=1000)
    assert sorted(r.data.tags.get("trial_id", "study") for r in runs) == [*names, "study"]
    for run in runs:
        name = run.data.tags.get("trial_id")
        failed = name is not None and trials[name].state == optuna.trial.TrialState.FAIL
        assert run.info.status == ("FAILED" if failed else "FINISHED")
        assert run.data.params
        if name is None or failed:
            continue
        files = sorted((place.home / "trials" / name / "evaluations").glob("*/evaluation.json"))
        found = {e["epoch"]: e["objective"] for e in (json.loads(f.read_text()) for f in files)}
        assert trials[name].intermediate_values == pytest.approx(found)
        logged = client.get_metric_history(run.info.run_id, "objective")
        assert sorted(m.step for m in logged) == sorted(found)
        assert {m.step: m.value for m in logged} == pytest.approx(found)
        for key in ("loss/generator", "loss/discriminator", "images_per_second"):
            steps = sorted(m.step for m in client.get_metric_history(run.info.run_id, key))
            finite = 0 if "diverged" in run.data.tags else max(found)
            assert steps == list(range(1, finite + 1)) or not finite, (name, key)
        folders = [a.path for a in client.list_artifacts(run.info.run_id, "pictures")]
        shown = [
            f for f in folders if f"{f}/samples.png" in {a.path for a in client.list_artifacts(run.info.run_id, f)}
        ]
        expected = [] if "diverged" in run.data.tags else sorted(found)
        assert sorted(shown) == [f"pictures/epoch-{epoch:05d}" for epoch in expected]
    return trials


def stop_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
