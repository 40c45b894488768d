"""MLflow completed from the results folder, each value once."""

import json

import mlflow
import optuna
import pytest

from study.config import load_study
from study.search.history import open_history, trial_config
from study.search.mlflow_backfill import send_missing
from study.search.searcher import HistorySearch
from study.storage.trial_folder import reported
from study.tracking.mlflow_tracker import Tracker

SPACE = """\
study: demo
data: {set: synthetic, synthetic_count: 300}
model: {width: 16}
train: {epochs: 30}
objective: {every_epochs: 10, samples: 100, finalists: 0}
search: {sampler: random, trials: 4, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-5, 1.0e-2], log: true}}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


def save(home, epoch, *, diverged=None):
    """The account of a checkpoint, and the evaluation of its epoch, as a worker leaves them."""
    losses = [{"epoch": e, "time": 1000.0 + e, "loss/generator": e / 8, "loss/discriminator": 1.0} for e in
              range(1, epoch + 1)]  # fmt: skip
    folder, evaluated = home / f"epoch-{epoch:05d}", home / "evaluations" / f"epoch-{epoch:05d}"
    folder.mkdir(parents=True)
    evaluated.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({"epoch": epoch, "objective": 0.5, "losses": losses}))
    facts = {"epoch": epoch, "objective": 0.5, "time": 1000.0 + epoch, "final": epoch == 30, "diverged": diverged}
    (evaluated / "evaluation.json").write_text(json.dumps({**facts, "metrics": {"ks_mean": 0.5}}))


def test_mlflow_is_completed_from_the_folders_each_value_once(study, tmp_path):
    history = open_history(study, tmp_path / "optuna.db")
    search = HistorySearch(study, history)
    for name, last, diverged in (("ends", 30, None), ("stopped", 20, None), ("diverges", 10, "a loss is not finite")):
        number = search.suggest(name)["name"]
        for epoch in range(10, last + 1, 10):
            save(tmp_path / "trials" / number, epoch, diverged=diverged)
        final = last == 30 or diverged is not None
        search.on_trial_result(name, {"epoch": last, "objective": 0.5})
        search.on_trial_complete(name, {"epoch": last, "objective": 0.5, "final": final})
    search.suggest("fails")
    search.on_trial_complete("fails", {"failed": "RuntimeError: the GPU is gone"})
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    sent = []
    for _ in range(2):
        tracker = Tracker(uri, study, "identity", tmp_path / "artifacts")
        tracker.start({})
        if not sent:
            # As if the process had been killed here: half of the losses had arrived, and an evaluation.
            losses, (evaluation, *_) = reported(tmp_path / "trials" / "0000")
            tracker.trial_result(trial_config(study, history.study.trials[0]), {"epoch": 7, "history": losses[:7]})
            tracker.trial_result(trial_config(study, history.study.trials[0]), evaluation)
        sent.append(send_missing(study, history.study, tmp_path / "trials", tracker))
        assert tracker.close("FINISHED") == 0
    assert sent == [4, 0]
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    found = {r.data.tags.get("trial_id", "study"): r for r in runs}
    assert len(runs) == len(found) == 5
    for name, last, ending in (("0000", 30, "complete"), ("0001", 20, "stopped early"), ("0002", 10, "complete")):
        run = found[name]
        assert run.info.status == "FINISHED" and run.data.params
        assert run.data.tags["ending"] == ending and run.data.tags["epochs"] == str(last)
        steps = {k: [m.step for m in client.get_metric_history(run.info.run_id, k)] for k in run.data.metrics}
        assert sorted(steps["loss/generator"]) == list(range(1, last + 1))
        assert sorted(steps["objective"]) == sorted(steps["ks_mean"]) == list(range(10, last + 1, 10))
    assert found["0002"].data.tags["diverged"] == "a loss is not finite" and "diverged" not in found["0000"].data.tags
    failed = found["0003"]
    assert failed.info.status == "FAILED" and failed.data.metrics == {}
    assert failed.data.tags["error"] == "RuntimeError: the GPU is gone" and failed.data.tags["ending"] == "failed"
    assert history.study.trials[3].state == optuna.trial.TrialState.FAIL
