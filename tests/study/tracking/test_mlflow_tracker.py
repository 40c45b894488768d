"""What MLflow gets of a study, in a real store."""

from __future__ import annotations

import mlflow
import pytest
from PIL import Image

from study.config import load_study
from study.tracking.mlflow_tracker import Pictures, Tracker, flat_settings

CONFIG = {
    "name": "0000", "role": "baseline", "point": {}, "epochs": 4, "number": 0,
    "model": {"width": 8, "critic": {"loss": "hinge"}}, "train": {"lr": 2.0e-4},
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("study: demo\ndescription: wider?\nsearch: {trials: 1}\n")
    return load_study(path), f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path


def tracker_of(place, **options):
    study, uri, folder = place
    tracker = Tracker(uri, study, "identity", folder / "artifacts", **options)
    tracker.start({"study.yaml": "x"})
    return tracker


def runs_of(place):
    client = mlflow.MlflowClient(place[1])
    found = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    return client, {run.data.tags.get("trial_id", "study"): run for run in found}


def evaluation(folder, epoch):
    home = folder / f"epoch-{epoch:05d}"
    home.mkdir()
    Image.new("RGB", (8, 8)).save(home / "samples.png")
    row = {"epoch": epoch, "time": 1.0 * epoch, "loss/generator": 0.5}
    return {"epoch": epoch, "objective": 0.25, "ks_mean": 0.25, "history": [row], "time": 1.0 * epoch,
            "evaluation": str(home), "loss/generator": 0.5}  # fmt: skip


def test_settings_are_dotted():
    flat = flat_settings(CONFIG)
    assert flat["model.critic.loss"] == "hinge" and flat["train.lr"] == 2.0e-4 and flat["role"] == "baseline"


def test_a_trial_has_its_parent_settings_values_by_epoch_and_pictures(place):
    drawn = []
    tracker = tracker_of(place, pictures=Pictures(("samples",), drawn.append))
    tracker.trial_started(CONFIG)
    for epoch in (2, 4):
        tracker.trial_result(CONFIG, evaluation(place[2], epoch))
    tracker.trial_ended(CONFIG, "FINISHED", {"ending": "complete"})
    assert tracker.close("FINISHED") == 0
    client, runs = runs_of(place)
    trial = runs["0000"]
    assert trial.data.tags["mlflow.parentRunId"] == runs["study"].info.run_id
    assert trial.data.tags["ending"] == "complete" and trial.info.status == "FINISHED"
    assert trial.data.params["model.critic.loss"] == "hinge"
    assert [m.step for m in client.get_metric_history(trial.info.run_id, "objective")] == [2, 4]
    folders = [file.path for file in client.list_artifacts(trial.info.run_id, "pictures")]
    assert folders == ["pictures/epoch-00002", "pictures/epoch-00004"] and len(drawn) == 2


def test_what_a_store_has_is_not_sent_again(place):
    first = evaluation(place[2], 2)
    for _ in range(2):
        drawn = []
        tracker = tracker_of(place, pictures=Pictures(("samples",), drawn.append))
        tracker.trial_result(CONFIG, first)
        assert tracker.close("FINISHED") == 0
    client, runs = runs_of(place)
    assert set(runs) == {"study", "0000"} and drawn == []
    assert len(client.get_metric_history(runs["0000"].info.run_id, "objective")) == 1


def test_files_of_the_study_go_to_the_parent(place):
    tracker = tracker_of(place)
    (place[2] / "checkpoint.pt").write_bytes(b"weights")
    tracker.log_files(None, {"model/checkpoint.pt": place[2] / "checkpoint.pt"}, {"best/objective": 0.125}, found=9.0)
    assert tracker.close("FINISHED") == 0
    client, runs = runs_of(place)
    assert runs["study"].data.metrics["best/objective"] == 0.125
    names = [file.path for file in client.list_artifacts(runs["study"].info.run_id, "model")]
    assert names == ["model/checkpoint.pt"]
