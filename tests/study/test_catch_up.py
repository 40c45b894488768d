"""What a dead process left: folders mended, and Optuna completed from the results folder, each value once."""

import errno
import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from optuna.trial import TrialState

from gan.config import ModelConfig, TrainConfig
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.config import load_study
from study.search.history import open_history
from study.search.searcher import HistorySearch
from study.storage.disk_errors import storage_fault
from study.storage.trial_folder import checkpoints, damage, mend, reported

SPACE = """\
study: demo
data: {set: synthetic, synthetic_count: 300}
model: {width: 16}
train: {epochs: 30}
objective: {every_epochs: 10, samples: 100, finalists: 0}
search: {sampler: random, trials: 3, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-5, 1.0e-2], log: true}}
presets: {slow: {train.lr: 2.0e-5}}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


@pytest.fixture(scope="module")
def trainer():
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), np.uint8)
    model = ModelConfig(image_size=16, width=4, latent_dim=8)
    return Trainer(model, TrainConfig(batch_size=16), images, device="cpu", threads=1)


def save(trainer, home, epoch, objective=0.5):
    """A checkpoint with its account, and the evaluation of its epoch, as a worker leaves them."""
    losses = [{"epoch": e, "time": 1000.0 + e, "loss/generator": e / 8, "loss/discriminator": 1.0} for e in
              range(1, epoch + 1)]  # fmt: skip
    folder = home / f"epoch-{epoch:05d}"
    folder.mkdir(parents=True)
    checkpoint.save(trainer, folder / "checkpoint.pt")
    (folder / "metrics.json").write_text(json.dumps({"epoch": epoch, "objective": objective, "losses": losses}))
    evaluated = home / "evaluations" / folder.name
    evaluated.mkdir(parents=True)
    facts = {"epoch": epoch, "objective": objective, "time": 1000.0 + epoch, "final": epoch == 30, "diverged": None}
    (evaluated / "evaluation.json").write_text(json.dumps({**facts, "metrics": {"ks_mean": objective}}))
    return folder


def test_mending_takes_the_newest_whole_checkpoint_and_keeps_the_best_two(trainer, tmp_path):
    for epoch, objective in ((10, 0.4), (20, 0.9), (30, 0.3), (40, 0.5), (50, 0.8), (60, 0.1), (70, 0.2)):
        save(trainer, tmp_path, epoch, objective)
    content = bytearray((tmp_path / "epoch-00070" / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "epoch-00070" / "checkpoint.pt").write_bytes(content)
    (tmp_path / "epoch-00060" / "metrics.json").write_text('{"cut')
    (tmp_path / "checkpoint_manager_snapshot.json").write_text('{"cut')
    notes = mend(tmp_path)
    assert len(notes) == 2 and "epoch-00070" in notes[0] and "epoch-00060" in notes[1]
    assert [c.name for c in checkpoints(tmp_path)] == ["epoch-00050", "epoch-00030", "epoch-00010"]
    assert all(damage(c) is None for c in checkpoints(tmp_path))
    assert not (tmp_path / "checkpoint_manager_snapshot.json").exists()
    assert mend(tmp_path) == [] and mend(tmp_path / "absent") == []
    losses, evaluations = reported(tmp_path)
    assert [row["epoch"] for row in losses] == list(range(1, 51))
    assert [e["epoch"] for e in evaluations] == [10, 20, 30, 40, 50]


def test_a_resumed_search_knows_what_was_evaluated_but_not_passed_on(study, trainer, tmp_path):
    history = open_history(study, tmp_path / "optuna.db")
    HistorySearch(study, history).suggest("dies")
    save(trainer, tmp_path / "trials" / "0000", 10, 0.25)
    again = open_history(study, tmp_path / "optuna.db")
    search = HistorySearch(study, again, tmp_path / "trials")
    assert again.study.trials[0].intermediate_values == {10: 0.25}
    assert search.suggest("goes on")["name"] == "0000"
    save(trainer, tmp_path / "trials" / "0000", 20, 0.125)
    search.on_trial_result("goes on", {"epoch": 30, "objective": 0.5, "resumed": 20})
    assert again.study.trials[0].intermediate_values == {10: 0.25, 20: 0.125, 30: 0.5}


def test_planned_trials_come_once_however_often_the_search_is_cut_short(study, tmp_path):
    for k in range(3):
        open_history(study, tmp_path / "optuna.db")
        search = HistorySearch(study, open_history(study, tmp_path / "optuna.db"))
        search.suggest("killed")
        search = HistorySearch(study, open_history(study, tmp_path / "optuna.db"))
        assert search.suggest("goes on")["number"] == k
        search.on_trial_complete("goes on", {"epoch": 30, "objective": 0.5, "final": True})
    trials = search.history.study.trials
    assert [t.user_attrs["role"] for t in trials] == ["baseline", "preset:slow", "search"]
    assert [t.params["train.lr"] for t in trials[:2]] == [2.0e-4, 2.0e-5]


def test_a_halted_search_leaves_its_trials_to_be_resumed(study, tmp_path):
    history = open_history(study, tmp_path / "optuna.db")
    search = HistorySearch(study, history)
    for name in ("a", "b"):
        search.suggest(name)
    search.on_trial_result("a", {"halt": "No space left on device"})
    for name in ("a", "b"):
        search.on_trial_complete(name, {"epoch": 10, "objective": 0.5})
    assert search.suggest("c") == search.FINISHED
    assert [t.state for t in history.study.trials] == [TrialState.RUNNING, TrialState.RUNNING]


def test_processes_that_create_one_store_at_the_same_time_make_it_once(tmp_path):
    code = "import sys; from study.tracking.mlflow_store import create_store; create_store(sys.argv[1])"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / ".mlflow.db.partial").write_text("what a killed process left")
    processes = [subprocess.Popen([sys.executable, "-c", code, uri]) for _ in range(2)]
    assert [p.wait(timeout=240) for p in processes] == [0, 0]
    assert mlflow.MlflowClient(uri).search_experiments()[0].name == "Default"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "No space left on device: a/b"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (RuntimeError("task failed\nOSError: [Errno 28] No space left on device"), "[Errno 28] No space left"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "disk is full"),
        (ConnectionError("refused"), None),
        (ValueError("a bug"), None),
    ],
)
def test_only_faults_of_the_disk_halt_a_study(error, says):
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        found = storage_fault(each)
        assert found is None if says is None else says in found
