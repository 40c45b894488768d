"""Clusters of unlike nodes, and clusters that change while a study runs: real Ray nodes, GPUs that are only numbers."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPACE = """\
study: {name}
data: {{set: synthetic, synthetic_count: 240, held_out: 80}}
model: {{width: 4}}
train: {{epochs: {epochs}, batch_size: 32, lr: 1.0e-3}}
objective: {{samples: 80, every_epochs: 1, finalists: 0}}
search: {{sampler: random, trials: {trials}, scheduler: {{name: none}}}}
axes: {{train.lr: {{float: [1.0e-4, 1.0e-2], log: true}}}}
resources: {{workers: {workers}, cpus_per_worker: {cpus}, gpus_per_worker: {gpus}}}
"""
ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "STUDY_LOGICAL_GPUS": "1", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "120"}


@pytest.fixture
def cluster(monkeypatch):
    """A head without room for workers."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


def begin(folder, cluster, name, **values):
    space = folder / f"{name}.yaml"
    space.write_text(SPACE.format(name=name, **{"workers": 1, "cpus": 1, "epochs": 2, **values}))
    command = [sys.executable, "-m", "study.run", "--space", str(space), "--results", str(folder / "results")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": ""}
    return subprocess.Popen(
        [*command, "--address", cluster.address],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, out + err
    return out


def epochs(folder, name):
    """Epochs that each trial was judged at."""
    found = {}
    for path in sorted((folder / "results" / name / "trials").glob("*/evaluations/*/evaluation.json")):
        facts = json.loads(path.read_text())
        found.setdefault(facts["trial"], []).append(facts["epoch"])
    return found


@pytest.mark.slow
@pytest.mark.ray
def test_trials_of_a_quarter_of_one_and_of_two_gpus_share_a_cluster(tmp_path, cluster):
    cluster.add_node(num_cpus=6, num_gpus=1)
    cluster.add_node(num_cpus=6, num_gpus=2)
    running = [
        begin(tmp_path, cluster, "quarter", trials=2, gpus=0.25),
        begin(tmp_path, cluster, "one", trials=1, gpus=1),
        begin(tmp_path, cluster, "two", trials=1, gpus=2),
    ]
    for process in running:
        ended(process)
    assert [len(epochs(tmp_path, name)) for name in ("quarter", "one", "two")] == [2, 1, 1]
    assert all(list(found) == [1, 2] for name in ("quarter", "one", "two") for found in epochs(tmp_path, name).values())


@pytest.mark.slow
@pytest.mark.ray
def test_a_node_joins_and_another_leaves_while_a_study_runs(tmp_path, cluster):
    first = cluster.add_node(num_cpus=3, num_gpus=1)
    study = begin(tmp_path, cluster, "elastic", trials=3, gpus=1, epochs=8)
    deadline = time.monotonic() + 400
    while not epochs(tmp_path, "elastic"):
        assert study.poll() is None and time.monotonic() < deadline, study.communicate()
        time.sleep(0.5)
    cluster.add_node(num_cpus=3, num_gpus=1)
    while len(epochs(tmp_path, "elastic")) < 2:
        assert study.poll() is None and time.monotonic() < deadline, study.communicate()
        time.sleep(0.5)
    cluster.remove_node(first, allow_graceful=False)
    out = ended(study)
    assert "3 node(s) now, with room for 2 trial(s) at once" in out
    assert "2 node(s) now, with room for 1 trial(s) at once" in out
    found = epochs(tmp_path, "elastic")
    assert len(found) == 3 and all(judged == list(range(1, 9)) for judged in found.values())
