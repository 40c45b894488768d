"""docs/cluster.md, command by command: a head, a second node, MLflow's server, jobs; real processes, a token."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cluster.md"
SPACE = """\
study: quickstart
data: {set: synthetic, synthetic_count: 160, held_out: 60}
model: {width: 8}
train: {epochs: 2, batch_size: 32}
objective: {samples: 60, every_epochs: 1, finalists: 1, final_samples: 60}
search: {sampler: random, trials: 2, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-4, 1.0e-2], log: true}}
"""
HEAD, NODE = "127.0.0.2", "127.0.0.3"


def commands():
    """The page's shell blocks that begin with a line saying where they run: that line to the commands."""
    blocks = re.findall(r"```sh\n# (.*?)\n(.*?)```", PAGE.read_text(), re.S)
    found = {}
    for where, text in blocks:
        found.setdefault(where, []).append(text.strip())
    return found


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def answers(host, port):
    with contextlib.suppress(OSError):
        socket.create_connection((host, int(port)), timeout=1).close()
        return True
    return False


class Cluster:
    """Runs the page's commands in `folder`."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        (folder / "shared").mkdir()
        (folder / "shared" / "space.yaml").write_text(SPACE)
        ports = dict(zip(("6379", "8265", "5000"), map(str, free_ports(3)), strict=True))
        self.ports = ports
        self.names = {**ports, "search_spaces/quickstart.yaml": str(folder / "shared" / "space.yaml")}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_"))}
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HEAD": HEAD,
            "NODE": NODE,
            "SHARED": str(folder / "shared"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        }

    def as_here(self, text):
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def start(self, text, name):
        temporary = self.folder / name
        temporary.mkdir()
        # Two nodes of one machine share no sockets and no unpacked code.
        environment = {**self.environment, "RAY_TMPDIR": str(temporary), "CUDA_VISIBLE_DEVICES": ""}
        text = self.as_here(text).replace("ray start ", "exec ray start --num-cpus 1 ")
        with open(self.folder / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                ["bash", "-c", text], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def run(self, text, timeout=900, **changes):
        return subprocess.run(
            ["bash", "-c", self.as_here(text)],
            cwd=ROOT, env={**self.environment, **changes}, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip

    def wait(self, host, port, seconds=240):
        deadline = time.time() + seconds
        while not answers(host, port):
            assert time.time() < deadline, "\n".join(p.read_text()[-2000:] for p in self.folder.glob("*.log"))
            time.sleep(1)

    def wait_for_nodes(self, count, seconds=240):
        deadline = time.time() + seconds
        while time.time() < deadline:
            said = self.run(f"ray status --address {HEAD}:6379", timeout=120).stdout
            if len(re.findall(r"^ 1 node_", said, re.M)) == count:
                return
            time.sleep(2)
        raise TimeoutError(said)

    def stop(self):
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)


@pytest.fixture(scope="module")
def cluster():
    # Ray's sockets need short paths.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/cluster-XXXX"], text=True).strip())
    page, made = commands(), Cluster(folder)
    try:
        assert made.run(page["once"][0]).returncode == 0
        assert (folder / "token").stat().st_mode & 0o077 == 0
        for k, text in enumerate(page["on the head, keeps running"]):
            made.start(text, f"head{k}")
        made.wait("127.0.0.1", made.ports["8265"])
        made.start(page["on every other node, keeps running"][0], "node")
        made.wait("127.0.0.1", made.ports["5000"])
        made.wait_for_nodes(2)
        yield made
    finally:
        made.stop()
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.ray
@pytest.mark.slow
def test_a_submitted_job_runs_the_study_and_a_second_one_finds_it_finished(cluster):
    done = cluster.run(commands()["on your machine"][0])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "2 trial(s) on 2 CPUs" in done.stdout and "Best checkpoint:" in done.stdout
    again = cluster.run(commands()["on your machine, later"][0])
    assert again.returncode == 0 and "finished; nothing to do" in again.stdout
    logs = cluster.folder.glob("node/ray/session_*/logs/worker-*.out")
    assert any("RayTrainWorker" in log.read_text(errors="replace") for log in logs), "the second node did nothing"
    client = mlflow.MlflowClient(f"http://127.0.0.1:{cluster.ports['5000']}")
    runs = client.search_runs([client.get_experiment_by_name("quickstart").experiment_id])
    assert len(runs) == 3 and all(run.info.status == "FINISHED" for run in runs)


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_joins_the_cluster_by_its_address(cluster):
    done = cluster.run(commands()["on the head"][0])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert (cluster.folder / "shared" / "results" / "direct" / "best" / "checkpoint.pt").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_without_the_token_nothing_is_accepted(cluster):
    (cluster.folder / "wrong").write_text("0" * 64)
    refused = cluster.run(commands()["on your machine"][0], RAY_AUTH_TOKEN_PATH=str(cluster.folder / "wrong"))
    assert refused.returncode != 0 and "nauthorized" in refused.stdout + refused.stderr
    joined = cluster.run(commands()["on the head"][0], RAY_AUTH_TOKEN_PATH=str(cluster.folder / "wrong"))
    assert joined.returncode == 2 and joined.stderr.count("error:") == 1 and "Traceback" not in joined.stderr
