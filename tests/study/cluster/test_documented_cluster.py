"""docs/cluster.md, command by command: three machines with their own network, a token, ssh, MLflow's server, jobs."""

import contextlib
import os
import re
import signal
import sys
import time

import pytest

from tests.study.cluster.hosts import hosts, missing
from tests.study.cluster.page import CPUS, PAGE, ROOT, commands, small

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=f"a cluster of hosts {missing()}"),
]


class Cluster:
    """Runs the page's commands on three machines."""

    def __init__(self, folder, machines):
        self.folder, self.started = folder, []
        self.laptop, self.head, self.node = machines
        self.page = commands()
        self.exports = (
            f"export PATH={sys.prefix}/bin:$PATH CUDA_VISIBLE_DEVICES=; {self.page['everywhere: yours to change'][0]}"
        )

    def start(self, machine, text, name):
        self.started.append(machine.start(f"{self.exports}\n{text}", self.folder / f"{name}.log", ROOT))

    def run(self, machine, text, before=""):
        return machine.run(f"{self.exports}\n{before}\n{text}", cwd=ROOT)

    def wait(self, machine, text, seconds=240):
        """Until a command there ends well."""
        deadline = time.time() + seconds
        while (done := self.run(machine, text)).returncode:
            logs = "\n".join(p.read_text()[-2000:] for p in self.folder.glob("*.log"))
            assert time.time() < deadline, done.stdout + done.stderr + logs
            time.sleep(1)

    def stop(self):
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with hosts(folder, {"laptop": "10.0.0.254", "head": "10.0.0.1", "node": "10.0.0.2"}) as machines:
        made = Cluster(folder, machines)
        try:
            for machine in machines:
                machine.must("rm -rf ~/.ray")
            done = made.run(made.laptop, made.page["once"][0])
            assert done.returncode == 0, done.stderr
            assert made.laptop.run("stat -c %a ~/.ray/auth_token").stdout.strip() == "600"
            for machine in machines[1:]:
                there = machine.address
                made.laptop.must(f"ssh {there} mkdir -p .ray && scp -pq ~/.ray/auth_token {there}:.ray/")
            for k, text in enumerate(made.page["on the head, keeps running"]):
                made.start(made.head, text, f"head{k}")
            made.wait(made.head, "ray status --address $HEAD:6379")
            made.start(made.node, made.page["on every other node, keeps running"][0], "node")
            (tunnel,) = re.findall(r"`(ssh -N .*?) you@\$HEAD`", PAGE.read_text())
            made.start(made.laptop, f"{tunnel} root@$HEAD", "tunnel")
            made.wait(made.laptop, "curl -sf http://127.0.0.1:5000/health")
            made.wait(made.head, "test $(ray status --address $HEAD:6379 | grep -c '^ 1 node_') = 2")
            yield made
        finally:
            made.stop()


def test_a_submitted_job_runs_the_study_and_a_second_one_finds_it_finished(cluster):
    done = cluster.run(cluster.laptop, small(cluster.page["on your machine"][0]))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"2 trial(s) on {2 * CPUS} CPUs" in done.stdout and "Best checkpoint:" in done.stdout
    again = cluster.run(cluster.laptop, small(cluster.page["on your machine, later"][0]))
    assert again.returncode == 0 and "finished; nothing to do" in again.stdout, again.stdout[-4000:] + again.stderr
    for machine in (cluster.head, cluster.node):
        trained = machine.run("grep -ls RayTrainWorker /tmp/ray/session_latest/logs/worker-*").stdout
        assert trained, f"{machine.name} did nothing"
    token = cluster.laptop.run("cat ~/.ray/auth_token").stdout.strip()
    assert token not in done.stdout + done.stderr
    asked = (
        "import mlflow; c = mlflow.MlflowClient('http://127.0.0.1:5000');"
        "print([r.info.status for r in c.search_runs([c.get_experiment_by_name('quickstart').experiment_id])])"
    )
    assert cluster.run(cluster.laptop, f'python -c "{asked}"').stdout.strip() == str(["FINISHED"] * 3)


def test_a_study_joins_the_cluster_by_its_address(cluster):
    done = cluster.run(cluster.head, small(cluster.page["on the head"][0]))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert (cluster.folder / "shared" / "results" / "direct" / "best" / "checkpoint.pt").exists()


def test_without_the_token_nothing_is_accepted(cluster):
    other = "printf '0%.0s' {1..64} > ~/.ray/wrong; export RAY_AUTH_TOKEN_PATH=$HOME/.ray/wrong"
    refused = cluster.run(cluster.laptop, cluster.page["on your machine"][0], other)
    assert refused.returncode != 0 and "token authentication is enabled" in refused.stderr, refused.stderr
    joined = cluster.run(cluster.head, cluster.page["on the head"][0], other)
    assert joined.returncode == 2, joined.stderr
    assert "no Ray cluster can be joined there: it refuses this token" in joined.stderr
    assert joined.stderr.count("error:") == 1 and "Traceback" not in joined.stderr
