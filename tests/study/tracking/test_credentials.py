"""Passwords stay out of messages, files and lists of processes."""

import os
import subprocess
import sys

import pytest

from study.config.errors import InputError
from study.run import main
from study.tracking.credentials import scrubbed, tracking_uri, without_password
from study.tracking.mlflow_store import check_reachable

SECRET = "s3cr3t"
WITH = [
    f"http://ada:{SECRET}@mlflow.example:5000",
    f"https://{SECRET}@mlflow.example/path",
    f"postgresql://ada:{SECRET}@db.example:5432/mlflow",
    f"postgresql+psycopg2://ada:{SECRET}@x@db.example/mlflow",
    f"postgresql://db.example/mlflow?user=ada&password={SECRET}&connect_timeout=3",
    f"mysql://ada:{SECRET}@db.example/mlflow",
    f"https://mlflow.example/?access_token={SECRET}",
]
WITHOUT = ["sqlite:////data/mlflow.db", "http://127.0.0.1:5000", "postgresql://ada@db.example/mlflow", "somewhere", ""]
DEFAULT = "sqlite:////results/mlflow.db"


@pytest.mark.parametrize("uri", WITH)
def test_a_password_is_hidden_wherever_it_stands(uri):
    shown = without_password(uri)
    assert SECRET not in shown and "***" in shown and without_password(shown) == shown
    assert SECRET not in scrubbed(f"cannot connect to {uri}", uri)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI") as caught:
        tracking_uri(uri, None, DEFAULT, {})
    assert SECRET not in str(caught.value)


def test_a_password_that_a_library_repeats_alone_is_hidden_too():
    for uri in (WITH[0], WITH[1], WITH[4]):
        assert scrubbed(f"ada may not enter with {SECRET}", uri) == "ada may not enter with ***"


@pytest.mark.parametrize("uri", WITHOUT)
def test_a_uri_without_a_password_stays_as_it_is(uri):
    assert without_password(uri) == uri and tracking_uri(uri or None, None, DEFAULT, {}) == (uri or DEFAULT)


def test_the_store_is_that_which_the_study_began_with():
    secret = {"MLFLOW_TRACKING_URI": WITH[0]}
    assert tracking_uri(None, None, DEFAULT, secret) == WITH[0]
    assert tracking_uri(None, without_password(WITH[0]), DEFAULT, secret) == WITH[0]
    assert tracking_uri(None, DEFAULT, DEFAULT, secret) == DEFAULT
    assert tracking_uri("http://127.0.0.1:1", DEFAULT, DEFAULT, secret) == "http://127.0.0.1:1"
    for environment in ({}, {"MLFLOW_TRACKING_URI": WITH[2]}):
        with pytest.raises(InputError, match="needs its password"):
            tracking_uri(None, without_password(WITH[0]), DEFAULT, environment)


def test_messages_of_stores_that_are_away_hide_it():
    for uri in (f"http://ada:{SECRET}@127.0.0.1:9", f"nonsense://ada:{SECRET}@x"):
        with pytest.raises(InputError) as caught:
            check_reachable(uri)
        assert SECRET not in str(caught.value) and "***@" in str(caught.value)


def test_the_command_refuses_and_repeats_no_password(tmp_path, capsys):
    space = "search_spaces/quickstart.yaml"
    given = ["--space", space, "--results", str(tmp_path / "results"), "--tracking-uri", WITH[2]]
    assert main(given) == 2
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err and "MLFLOW_TRACKING_URI" in printed.err
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_on_a_store_with_a_password_leaves_no_trace_of_it(tmp_path):
    """The store is a real server that asks for no password; the URI holds one all the same."""
    port = 5731
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", str(tmp_path / "files")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )  # fmt: skip
    try:
        _wait(port)
        small = ["data.synthetic_count=240", "data.held_out=80", "objective.samples=80", "objective.final_samples=80"]
        small += ["train.epochs=1", "objective.every_epochs=1", "search.trials=1", "axes=null", "model.width=4"]
        words = [word for value in small for word in ("--set", value)]
        command = [sys.executable, "-m", "study.run", "--space", "search_spaces/quickstart.yaml"]
        command += ["--results", str(tmp_path / "results"), *words]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"http://ada:{SECRET}@127.0.0.1:{port}"}
        finished = subprocess.run(command, capture_output=True, text=True, timeout=500, env=environment)
        assert finished.returncode == 0, finished.stderr
        assert SECRET not in finished.stdout + finished.stderr and "***@127.0.0.1" in finished.stdout
    finally:
        server.terminate()
        server.wait(30)
    holders = [p for p in tmp_path.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert not holders


def _wait(port):
    import time

    import requests

    for _ in range(240):
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    raise TimeoutError("the MLflow server did not start")
