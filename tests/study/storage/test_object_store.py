"""Results in an object store: a real server that speaks S3, on loopback."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from study.config.errors import InputError
from study.storage import object_store
from study.storage.object_store import Mirror, check_storage, fetched, join, settled, share
from study.storage.trial_files import TrialFiles

ROOT = Path(__file__).resolve().parents[3]
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
SPACE = """\
study: tiny
data: {set: synthetic, synthetic_count: 160, held_out: 60}
model: {width: 8}
train: {epochs: 8, batch_size: 32}
objective: {samples: 60, every_epochs: 1, finalists: 1, final_samples: 60}
search: {sampler: random, trials: 2, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-4, 1.0e-2], log: true}}
resources: {max_concurrent: 1}
"""


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("moto", reason="needs moto (pip install 'moto[s3,server]')")
    from pyarrow import fs

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    for name, value in KEYS.items():
        os.environ.setdefault(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.time() + 120
        while True:
            assert process.poll() is None and time.time() < deadline, "moto's server does not start"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        endpoint = f"127.0.0.1:{port}"
        fs.S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True).create_dir("bucket")
        yield f"s3://bucket/{{}}?endpoint_override={endpoint}&scheme=http"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def store(server, request):
    return server.format(request.node.name)


def study_folder(path):
    (path / "trials/0001/epoch-00002").mkdir(parents=True)
    (path / "trials/0001/epoch-00002/checkpoint.pt").write_bytes(b"weights" * 100)
    (path / "trials/0001/epoch-00002/metrics.json").write_text("{}")
    (path / "state.json").write_text('{"tracking_uri": "sqlite:////nowhere/mlflow.db"}')
    (path / "split.npz").write_bytes(b"rows")
    (path / "tune").mkdir()
    (path / "tune" / "own").write_text("of this machine")
    with sqlite3.connect(path / "optuna.db") as database:
        database.execute("create table trials (number int)")
        database.execute("insert into trials values (7)")
    return path


def test_a_machine_that_has_nothing_gets_the_study_without_its_checkpoints(store, tmp_path):
    here = Mirror(join(store, "s"), study_folder(tmp_path / "here"))
    here.push("trials")
    here.push_driver()
    assert here.names("tune") == set()
    there = object_store.bring(store, tmp_path / "s")
    found = {p.relative_to(there.folder).as_posix() for p in there.folder.rglob("*") if p.is_file()}
    assert found == {"trials/0001/epoch-00002/metrics.json", "state.json", "split.npz", "optuna.db"}
    with sqlite3.connect(there.folder / "optuna.db") as database:
        assert database.execute("select number from trials").fetchall() == [(7,)]
    assert "nowhere" not in (there.folder / "state.json").read_text()
    there.pull("trials/0001")
    assert (there.folder / "trials/0001/epoch-00002/checkpoint.pt").read_bytes() == b"weights" * 100


def test_what_is_unchanged_is_not_sent_again_and_what_is_gone_is_removed(store, tmp_path, monkeypatch):
    here = Mirror(store, study_folder(tmp_path / "here"))
    here.push("trials")
    sent = []
    monkeypatch.setattr(Mirror, "_upload", lambda self, path, name: sent.append(name))
    here.push("trials")
    assert sent == []
    shutil.rmtree(here.folder / "trials/0001/epoch-00002")
    here.push("trials/0001", exact=True)
    assert here.names("trials") == set()


def test_a_worker_elsewhere_reads_and_shares_through_the_store(store, tmp_path, monkeypatch):
    driver = study_folder(tmp_path / "driver")
    (driver / "reference.parquet").write_bytes(b"catalogue")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "64.npy").write_bytes(b"galaxies")
    sender = Mirror(store, driver)
    object_store.send_inputs(sender, tmp_path / "set", None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    given = TrialFiles.of_study(driver, Path("/not/on/this/node"), stage1=None, storage=store)
    here = settled(given, "0001")
    assert here.split.read_bytes() == b"rows" and (here.data / "64.npy").read_bytes() == b"galaxies"
    evaluation = here.evaluation("0001", 3)
    evaluation.mkdir(parents=True)
    (evaluation / "evaluation.json").write_text("{}")
    share(here, evaluation)
    report = object_store.receive(given, "0001", {"epoch": 3, "evaluation": str(evaluation)})
    assert Path(report["evaluation"]) == driver / "trials/0001/evaluations/epoch-00003"
    assert (Path(report["evaluation"]) / "evaluation.json").exists()
    address = object_store.address_of(given, driver / "trials/0001/epoch-00002/checkpoint.pt")
    assert Path(fetched(address)).read_bytes() == b"weights" * 100


@pytest.mark.parametrize(
    ("address", "says"),
    [("results", "s3://BUCKET"), ("s3://key:secret@bucket/x", "credentials"), ("ftp://host/x", "s3://BUCKET")],
)
def test_addresses_that_are_refused(address, says):
    with pytest.raises(InputError, match=says) as refused:
        check_storage(address)
    assert "key:secret" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_said(server):
    with pytest.raises(InputError, match="absent"):
        check_storage(server.format("x").replace("bucket", "absent"))


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_whose_machine_is_lost_goes_on_from_the_store(server, tmp_path):
    store = server.format("results")
    (tmp_path / "space.yaml").write_text(SPACE)
    command = [sys.executable, "-m", "study.run", "--space", str(tmp_path / "space.yaml"), "--storage", store]
    lost, fresh = tmp_path / "lost", tmp_path / "fresh"
    process = subprocess.Popen([*command, "--results", str(lost)], cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.time() + 1200
    while not (lost / "tiny/trials/0000/evaluations/epoch-00003/evaluation.json").exists():
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(5)
    shutil.rmtree(lost)
    done = subprocess.run(
        [*command, "--results", str(fresh), "--resume"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trial 0000 goes on from epoch" in done.stdout
    history = optuna.load_study(study_name="tiny", storage=f"sqlite:///{fresh / 'tiny' / 'optuna.db'}")
    assert [t.state.name for t in history.trials] == ["COMPLETE", "COMPLETE"]
    assert sorted(history.trials[0].intermediate_values) == list(range(1, 9))
    stored = Mirror(join(store, "tiny"), tmp_path).names("")
    assert {"best/checkpoint.pt", "optuna.db", "split.npz"} <= stored
    assert {f"trials/0001/evaluations/epoch-{k:05d}/evaluation.json" for k in range(1, 9)} <= stored
