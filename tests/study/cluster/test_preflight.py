"""Before the first trial on a cluster: every node is asked, and each that cannot take a trial gets one sentence."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from study.cluster.preflight import CODE, Expected, check_cluster, code_digest, package_versions, probe, problem
from study.config.errors import InputError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def expected(tmp_path):
    (tmp_path / ".preflight-x").write_text(".preflight-x")
    (tmp_path / "manifest.json").write_text("{}")
    files = {str(tmp_path / "manifest.json"): probe_digest(tmp_path / "manifest.json")}
    return Expected(str(tmp_path), ".preflight-x", files, package_versions(), code_digest())


def probe_digest(path):
    from study.cluster.preflight import digest

    return digest(path)


def test_a_node_like_this_one_has_no_problem(expected, tmp_path):
    found = probe(expected, ".preflight-x-node", False)
    assert problem(found, expected, True, 0) is None
    assert (tmp_path / ".preflight-x-node").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"token": ""}, "does not see this machine's"),
        ({"token": "another"}, "that all nodes share"),
        ({"unwritable": "Read-only file system"}, "cannot write to"),
        ({"code": None}, "lacks this program"),
        ({"code": "0" * 64}, "has another version of this program"),
        ({"packages": {}}, "lacks torch"),
        ({"gpus": 0}, "offers 2 GPU(s) to Ray, but its PyTorch sees 0"),
    ],
)
def test_what_is_missing_is_named(expected, change, says):
    found = {**probe(expected, "reply", False), "gpus": 2, **change}
    assert says in problem(found, expected, True, 2)


def test_all_that_is_missing_is_one_sentence(expected):
    found = probe(expected, "reply", False)
    path = next(iter(expected.files))
    found = {**found, "files": {path: None}, "packages": {**found["packages"], "torch": "1.0"}, "code": "x"}
    sentence = problem(found, expected, False, 0)
    assert "\n" not in sentence and sentence.count("this machine's") == 1
    for part in ("does not see this machine's", f"does not see {path}", "has torch 1.0 instead of", "another version"):
        assert part in sentence
    assert problem("no answer within 180 s", expected, True, 0) == "cannot be asked: no answer within 180 s"


def test_storage_that_only_looks_alike_is_noticed(expected):
    found = probe(expected, "reply", False)
    assert "does not see" in problem(found, expected, False, 0)


def test_no_shared_folder_is_asked_for_with_an_object_store(expected):
    stored = dataclasses.replace(expected, folder="", token="")
    assert problem(probe(stored, "reply", False), stored, True, 0) is None


def test_another_copy_of_the_program_has_another_digest(tmp_path):
    for package in CODE:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    script = "from study.cluster.preflight import code_digest; print(code_digest())"

    def there():
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert len(there()) == 64
    before = there()
    with open(tmp_path / "gan" / "config.py", "a") as file:
        file.write("# one line more\n")
    assert there() != before


@pytest.mark.ray
def test_the_code_of_a_job_with_a_working_directory_travels(tmp_path):
    """Ray gives a submitted job its settings in this variable."""
    script = """
import ray
from study.cluster.preflight import code_travels
from study.cluster.ray_session import authenticate, quiet_environment

quiet_environment()
authenticate(None)
ray.init(address="local", num_cpus=1, log_to_driver=False)
assert code_travels()
"""
    job = json.dumps({"runtime_env": {"working_dir": str(tmp_path)}})
    environment = {**os.environ, "RAY_JOB_CONFIG_JSON_ENV_VAR": job}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting over a folder needs root")
def test_a_node_without_the_shared_storage_stops_the_study(tmp_path):
    """Two real nodes; over the results of the second one another, empty file system is mounted."""
    results = tmp_path / "results"
    results.mkdir()
    port, environment = 26379, {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    sockets = tempfile.mkdtemp(prefix="r", dir="/tmp")  # their paths must be short
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    head = [*ray, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={sockets}"]
    mount = f"mount -t tmpfs none {results} && exec {' '.join(ray)} --address=127.0.0.1:{port}"
    nodes = [subprocess.Popen(head, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
    try:
        apart = ["unshare", "--mount", "sh", "-c", mount]
        _until(port, environment, 1)
        nodes.append(subprocess.Popen(apart, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _until(port, environment, 2)
        command = [
            sys.executable,
            "-m",
            "study.run",
            "--space",
            "search_spaces/quickstart.yaml",
            "--results",
            str(results),
        ]
        finished = subprocess.run(
            [*command, "--address", f"127.0.0.1:{port}"],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400,
        )  # fmt: skip
        assert finished.returncode == 2, finished.stderr
        assert "1 of 2 node(s) cannot take trials" in finished.stderr
        assert finished.stderr.count("does not see this machine's") == 1 and "Traceback" not in finished.stderr
        assert list(results.iterdir()) == []
    finally:
        for node in reversed(nodes):
            node.terminate()
            node.wait(60)
        shutil.rmtree(sockets, ignore_errors=True)


def _until(port, environment, count):
    """Wait until the cluster has so many nodes."""
    script = f"""
import ray, socket, time
while True:
    try:
        socket.create_connection(("127.0.0.1", {port})).close()
        break
    except OSError:
        time.sleep(0.5)
ray.init(address="127.0.0.1:{port}", log_to_driver=False, logging_level="CRITICAL")
while sum(node["Alive"] for node in ray.nodes()) < {count}:
    time.sleep(0.5)
"""
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=300, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.ray
def test_every_node_of_a_cluster_answers(tmp_path):
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1, num_gpus=2)
        ray.init(address=cluster.address, log_to_driver=False)
        check_cluster("here", tmp_path / "new" / "results")
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(InputError, match=r"1 of 2 node\(s\) cannot take trials\n  node .* offers 2 GPU\(s\)"):
            check_cluster("here", tmp_path / "new" / "results", gpus=True)
        check_cluster("here", None)
    finally:
        ray.shutdown()
        cluster.shutdown()
