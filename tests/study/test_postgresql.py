"""An MLflow server that keeps its runs in PostgreSQL, under a study with eight trials at once."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest

from tests.study.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 8
NEEDED_GB = 10
SPACE = f"""\
study: eight
data: {{set: synthetic, synthetic_count: 160, held_out: 60}}
model: {{width: 8}}
train: {{epochs: 3, batch_size: 32}}
objective: {{samples: 60, every_epochs: 1, finalists: 0}}
search: {{sampler: random, trials: {AT_ONCE}, scheduler: {{name: none}}}}
axes: {{train.lr: {{float: [1.0e-4, 1.0e-2], log: true}}}}
resources: {{cpus_per_worker: {{cpus}}, max_concurrent: {AT_ONCE}}}
"""


def wait(port, process, seconds=120):
    deadline = time.time() + seconds
    while time.time() < deadline:
        assert process.poll() is None, f"{process.args[0]} ended with {process.returncode}"
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.3)
    raise TimeoutError(f"nothing listens on {port}")


def binaries():
    """The folder of `initdb` and `postgres`, or None; PostgreSQL refuses to run as root, so root needs another user."""
    found = shutil.which("initdb") or next(
        iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), None
    )
    return Path(found).parent if found else None


@pytest.fixture
def postgresql(tmp_path_factory):
    pytest.importorskip("psycopg", reason="needs psycopg (pip install psycopg[binary])")
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    as_user = {}
    home = tmp_path_factory.mktemp("postgresql")
    if os.getuid() == 0:
        try:
            user = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user `postgres`")
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(home, user.pw_uid, user.pw_gid)
        for parent in (home, *home.parents[:2]):
            os.chmod(parent, 0o755)
    data, port = home / "data", free_port()
    make = [folder / "initdb", "-D", data, "-U", "mlflow", "-A", "trust"]
    subprocess.run(make, check=True, cwd=home, capture_output=True, **as_user)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", f"unix_socket_directories={home}"]
    serve = [folder / "postgres", "-D", data, *options]
    server = subprocess.Popen(serve, cwd=home, stderr=subprocess.DEVNULL, **as_user)
    try:
        wait(port, server)
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def mlflow_server(postgresql, tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", postgresql, "--artifacts-destination", str(tmp_path / "artifacts")]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(tmp_path / "server.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **quiet}, start_new_session=True)
    try:
        wait(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


@pytest.mark.ray
@pytest.mark.slow
def test_a_server_on_postgresql_carries_eight_trials_at_once(mlflow_server, tmp_path):
    if psutil.virtual_memory().available < NEEDED_GB * 2**30:
        pytest.skip(f"{AT_ONCE} trials at once need {NEEDED_GB} GB of free memory")
    (tmp_path / "space.yaml").write_text(SPACE.replace("{cpus}", str(len(os.sched_getaffinity(0)) / AT_ONCE)))
    command = [sys.executable, "-m", "study.run", "--space", str(tmp_path / "space.yaml")]
    command += ["--results", str(tmp_path / "results"), "--tracking-uri", mlflow_server]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"at once         {AT_ONCE} trial(s)" in done.stdout and "did not take" not in done.stdout
    client = mlflow.MlflowClient(mlflow_server)
    experiment = client.get_experiment_by_name("eight")
    runs = client.search_runs([experiment.experiment_id], filter_string="tags.kind = 'trial'")
    assert sorted(run.data.tags["trial_id"] for run in runs) == [f"{k:04d}" for k in range(AT_ONCE)]
    began = [run.info.start_time for run in runs]
    assert max(began) < min(run.info.end_time for run in runs), "the trials did not run at once"
    for run in runs:
        assert run.info.status == "FINISHED"
        for name in ("loss/generator", "objective"):
            assert [m.step for m in client.get_metric_history(run.info.run_id, name)] == [1, 2, 3]
        images = client.list_artifacts(run.info.run_id, "pictures")
        assert images, "no pictures of the galaxies"
