"""The MLflow store that a study makes for itself."""

import subprocess
import sys

import mlflow


def test_processes_that_create_one_store_at_the_same_time_make_it_once(tmp_path):
    code = "import sys; from study.tracking.mlflow_store import create_store; create_store(sys.argv[1])"
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / ".mlflow.db.partial").write_text("what a killed process left")
    processes = [subprocess.Popen([sys.executable, "-c", code, uri]) for _ in range(2)]
    assert [p.wait(timeout=240) for p in processes] == [0, 0]
    assert mlflow.MlflowClient(uri).search_experiments()[0].name == "Default"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
