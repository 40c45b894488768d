"""A study survives what kills its processes: real processes, `kill -9`, and what the stores hold afterwards.

Each test is a row of `docs/reliability.md`. The number of kills of the first test is read from `SURVIVAL_KILLS`.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest
import requests

from study.storage.trial_folder import checkpoints, damage
from tests.study.processes import (
    PATIENCE_S,
    TINY,
    Place,
    agree,
    descendants,
    free_port,
    running,
    stop_group,
    title,
    wait_for,
)

ASHA = "scheduler: {name: asha, grace_epochs: 4, reduction_factor: 2, judge_over: 1}"
pytestmark = [pytest.mark.ray, pytest.mark.slow]


def epoch_times(place, name):
    newest = json.loads((checkpoints(place.home / "trials" / name)[0] / "metrics.json").read_text())
    return {row["epoch"]: row["time"] for row in newest["losses"]}


def settled(place):
    """Trials that are over, and the newest checkpoint of each trial, at this moment."""
    if not (place.home / "optuna.db").exists():
        return {}, {}
    try:
        over = {
            t.number: (t.state, t.values, t.datetime_complete) for t in place.optuna_trials() if t.state.is_finished()
        }
    except KeyError:
        return {}, {}
    newest = {}
    for home in sorted((place.home / "trials").glob("[0-9]*")):
        whole = [c for c in checkpoints(home) if damage(c) is None]
        if whole:
            newest[home.name] = int(whole[0].name.split("-")[1])
    return over, newest


@pytest.fixture
def cluster():
    """A Ray that stays when a driver dies, as on a cluster: nothing takes the dead driver's processes with it."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    head = {"num_cpus": 2, "include_dashboard": True, "dashboard_port": free_port()}
    ray = Cluster(initialize_head=True, head_node_args=head)
    yield ray
    ray.shutdown()


def test_a_driver_killed_twenty_times_loses_no_reported_epoch(tmp_path, cluster):
    wanted, rng = int(os.environ.get("SURVIVAL_KILLS", "20")), random.Random(5)
    names = [f"{k:04d}" for k in range(4)]
    text = TINY.replace("trials: 2", "trials: 4").replace("scheduler: {name: none}", ASHA)
    place = Place(tmp_path, text, environment={"RAY_AUTH_MODE": "disabled"})
    kills, over, newest = [], {}, {}
    while True:
        more = ["--address", cluster.address]
        if (place.home / "state.json").exists():
            more.append("--resume")
        with running(place, *more) as process:
            if len(kills) >= wanted:
                assert process.wait(timeout=2 * PATIENCE_S) == 0, place.said()[-3000:]
                break
            if len(kills) % 3 == 2:
                before = len(place.evaluations())
                wait_for(lambda before=before: len(place.evaluations()) > before, process)
                time.sleep(1.0 * rng.random())
            else:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20 * rng.random())
            assert process.poll() is None, f"ended after {len(kills)} kills: {place.said()[-3000:]}"
            os.kill(process.pid, signal.SIGKILL)
            kills.append(time.time())
        now_over, now_newest = settled(place)
        assert over.items() <= now_over.items()
        over = now_over
        newest.update({(name, epoch): kills[-1] for name, epoch in now_newest.items()})
    trials = agree(place, names)
    for number, (state, values, ended) in over.items():
        trial = trials[f"{number:04d}"]
        assert (trial.state, trial.values, trial.datetime_complete) == (state, values, ended)
    for (name, epoch), killed in newest.items():
        late = {e: at for e, at in epoch_times(place, name).items() if e <= epoch and at > killed + 5}
        assert not late, f"trial {name}: epochs {sorted(late)} were trained again though epoch {epoch} was saved"
    assert place.finish("--resume") == 0 and "finished; nothing to do" in place.said()
    assert place.finish("--resume", "--set", "train.epochs=13") == 2 and "+  epochs: 13" in place.said()


def test_lost_workers_actors_and_data_workers_cost_no_trial(tmp_path, cluster):
    cluster.add_node(num_cpus=2)  # more CPUs than the driver's machine has: the finalist is measured by Ray Data
    text = TINY.replace("trials: 2", "trials: 1").replace("epochs: 12", "epochs: 24")
    text = text.replace("final_samples: 60", "final_samples: 20000")
    place = Place(tmp_path, text, environment={"RAY_AUTH_MODE": "disabled"})

    def kill(kind):
        found = wait_for(lambda: next((p for p in descendants(os.getpid()) if kind in title(p)), None), process)
        assert found, f"no process {kind}: {place.said()[-3000:]}"
        found.kill()

    with running(place, "--address", cluster.address) as process:
        wait_for(lambda: "trial 0000 epoch" in place.said(), process)
        kill("ray::RayTrainWorker")
        wait_for(lambda: place.said().count("goes on from epoch") == 1, process)
        kill("ray::ImplicitFunc")
        wait_for(lambda: place.said().count("goes on from epoch") == 2, process)
        kill("ray::Map")
        assert process.wait(timeout=2 * PATIENCE_S) == 0, place.said()[-3000:]
    trials = agree(place, ["0000"])
    assert trials["0000"].state == optuna.trial.TrialState.COMPLETE
    (final,) = place.home.glob("finalists/*/evaluation.json")
    assert json.loads(final.read_text())["samples"] == 20000


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_used(tmp_path):
    place = Place(tmp_path, TINY.replace("epochs: 12", "epochs: 24"))

    def both_have_two():
        return all(len(checkpoints(place.home / "trials" / name)) > 1 for name in ("0000", "0001"))

    with running(place) as process:
        assert wait_for(both_have_two, process), place.said()[-3000:]
        process.kill()
    cut, flipped = (checkpoints(place.home / "trials" / name)[0] for name in ("0000", "0001"))
    os.truncate(cut / "checkpoint.pt", (cut / "checkpoint.pt").stat().st_size // 2)
    content = bytearray((flipped / "checkpoint.pt").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - b for b in content[middle : middle + 64])
    (flipped / "checkpoint.pt").write_bytes(content)
    (place.home / "trials" / "0001" / "checkpoint_manager_snapshot.json").write_text('{"cut sh')
    assert place.finish("--resume") == 0, place.said()[-3000:]
    for bad in (cut, flipped):
        assert f"{bad}/checkpoint.pt: damaged" in place.said()
        assert (bad.parent / f"damaged-{bad.name}").is_dir()
    assert place.said().count("the checkpoint before it is used") == 2
    trials = agree(place, ["0000", "0001"])
    assert all(t.state == optuna.trial.TrialState.COMPLETE for t in trials.values())


@pytest.fixture
def server(tmp_path):
    """Starts a real MLflow server, again and again at the same place; what is running at the end is ended."""
    port = free_port()
    uri, processes = f"http://127.0.0.1:{port}", []

    def start():
        store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--artifacts-destination"]
        where = [*store, str(tmp_path / "artifacts"), "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        with open(tmp_path / "server.log", "a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *where],
                cwd=tmp_path, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        processes.append(process)

        def answers():
            with contextlib.suppress(requests.RequestException):
                return requests.get(f"{uri}/health", timeout=5).ok

        wait_for(answers)
        return process

    yield uri, start
    for process in processes:
        stop_group(process)


def test_an_mlflow_server_that_goes_away_gets_everything_later(tmp_path, server):
    uri, start = server
    place = Place(tmp_path)
    serving = start()
    with running(place, "--tracking-uri", uri) as process:
        wait_for(place.evaluations, process)
        stop_group(serving)
        wait_for(lambda: "is away; metrics are kept" in place.said(), process)
        before = len(place.evaluations())
        wait_for(lambda: len(place.evaluations()) > before, process)
        serving = start()
        wait_for(lambda: "is back" in place.said(), process)
        stop_group(serving)
        assert process.wait(timeout=2 * PATIENCE_S) == 0, place.said()[-3000:]
    assert "did not take" in place.said() and "--resume sends it" in place.said()
    start()
    assert place.finish("--resume") == 0, place.said()[-3000:]
    assert "sending MLflow what it has not got yet" in place.said()
    agree(place, ["0000", "0001"], uri)


def test_trials_that_raise_diverge_or_need_too_much_memory_do_not_end_a_study(tmp_path):
    presets = "presets: {broken: {train.batch_size: 100}, infinite: {train.lr: 1.0e+5}, huge: {model.width: 16384}}\n"
    place = Place(tmp_path, TINY.replace("trials: 2", "trials: 4").replace("epochs: 12", "epochs: 4") + presets)
    assert place.finish() == 0, place.said()[-3000:]
    trials = agree(place, [f"{k:04d}" for k in range(4)])
    state = optuna.trial.TrialState
    assert [t.state for t in trials.values()] == [state.COMPLETE, state.FAIL, state.COMPLETE, state.FAIL]
    assert "batch_size = 100" in place.said() and "trial 0002" in place.said() and "diverged" in place.said()
    assert "memory" in trials["0003"].user_attrs["error"]
    assert trials["0002"].values == pytest.approx([1.0], abs=0.1)
    assert "Traceback" not in place.said()


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", place]).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_halts_the_study_and_space_continues_it(tmp_path, small_disk):
    place = Place(tmp_path, results=small_disk / "results")
    with running(place) as process:
        wait_for(lambda: list(place.home.glob("trials/*/epoch-00004/checkpoint.pt")), process)
        with open(small_disk / "ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        assert process.wait(timeout=PATIENCE_S) == 1, place.said()[-3000:]
    assert "the study cannot go on" in place.said() and "No space left on device" in place.said()
    assert "--resume" in place.said() and "Traceback" not in place.said()
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert place.finish("--resume") == 2 and "cannot write to" in place.said()
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert place.finish("--resume") == 0, place.said()[-3000:]
    trials = agree(place, ["0000", "0001"])
    assert all(t.state == optuna.trial.TrialState.COMPLETE for t in trials.values())


@pytest.fixture
def cgroup():
    """A memory cgroup of a few kilobytes: the kernel kills what is put into it."""
    place = Path("/sys/fs/cgroup/memory") / f"survival-{os.getpid()}"
    try:
        place.mkdir()
        (place / "memory.limit_in_bytes").write_text("65536")
    except OSError:
        pytest.skip("needs root and memory cgroups (version 1)")
    yield place
    time.sleep(1)
    place.rmdir()


def test_a_worker_killed_for_memory_goes_on_from_its_checkpoint(tmp_path, cgroup):
    place = Place(tmp_path, TINY.replace("trials: 2", "trials: 1"))
    with running(place) as process:
        wait_for(lambda: list(place.home.glob("trials/*/epoch-00004/checkpoint.pt")), process)
        worker = next(p for p in descendants(process.pid) if "ray::RayTrainWorker" in title(p))
        (cgroup / "cgroup.procs").write_text(str(worker.pid))
        wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
        assert process.wait(timeout=PATIENCE_S) == 0, place.said()[-3000:]
    assert "goes on from epoch" in place.said()
    agree(place, ["0000"])


def test_a_node_that_dies_moves_its_trial(tmp_path, cluster):
    head, other = cluster.head_node, cluster.add_node(num_cpus=2)
    raylet = other.all_processes["raylet"][0].process
    place = Place(tmp_path, TINY.replace("epochs: 12", "epochs: 24"), environment={"RAY_AUTH_MODE": "disabled"})

    def worker_there():
        reported = all(f"trial {name} epoch" in place.said() for name in ("0000", "0001"))
        return reported and any("ray::RayTrainWorker" in title(p) for p in descendants(raylet.pid))

    with running(place, "--address", cluster.address) as process:
        assert wait_for(worker_there, process)
        raylet.kill()
        raylet.wait()  # a zombie would pass for alive with its workers
        assert process.wait(timeout=2 * PATIENCE_S) == 0, place.said()[-3000:]
    assert "goes on from epoch" in place.said() and head.all_processes["raylet"][0].process.poll() is None
    trials = agree(place, ["0000", "0001"])
    assert all(t.state == optuna.trial.TrialState.COMPLETE for t in trials.values())


def test_two_studies_at_once_and_one_study_twice(tmp_path):
    for user in ("anna", "bert", "again"):
        (tmp_path / user).mkdir()
    results, own = tmp_path / "results", f"sqlite:///{tmp_path / 'bert.db'}"
    anna = Place(tmp_path / "anna", TINY.replace("epochs: 12", "epochs: 6"), results=results)
    text = TINY.replace("epochs: 12", "epochs: 4").replace("study: tiny", "study: other")
    bert = Place(tmp_path / "bert", text, results=results, environment={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    with running(anna) as first, running(bert, "--tracking-uri", own) as second:
        wait_for((anna.home / "optuna.db").exists, first)
        again = Place(tmp_path / "again", anna.folder.joinpath("tiny.yaml").read_text(), results=results)
        refused = again.start("--resume")
        assert refused.wait(timeout=PATIENCE_S) == 2 and f"process {first.pid} on" in again.said()
        assert first.wait(timeout=2 * PATIENCE_S) == 0, anna.said()[-3000:]
        assert second.wait(timeout=2 * PATIENCE_S) == 0, bert.said()[-3000:]
    agree(anna, ["0000", "0001"])
    stores = [mlflow.MlflowClient(uri) for uri in (f"sqlite:///{results / 'mlflow.db'}", own)]
    names = [{e.name for e in client.search_experiments()} - {"Default"} for client in stores]
    assert names == [{"tiny"}, {"other"}]
