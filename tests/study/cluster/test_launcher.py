"""Ray's cluster launcher with cluster/cluster.yaml, as docs/cluster.md has it: three machines, ssh, a token."""

import subprocess
import sys
import time

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.study.cluster.hosts import hosts, missing
from tests.study.cluster.page import CPUS, ROOT, commands, small


@pytest.mark.parametrize("name", ["cluster.yaml", "aws.yaml"])
def test_ray_takes_the_cluster_file(name):
    config = yaml.safe_load((ROOT / "cluster" / name).read_text())
    validate_config(prepare_config(config))
    for folder in config["file_mounts"].values():
        assert folder.startswith("~") or (ROOT / folder / "pyproject.toml").exists()


@pytest.fixture
def machines(tmp_path):
    """A laptop, a head and a node; what pip builds this program with is on all of them, since none has the internet."""
    wheels = tmp_path / "wheels"
    asked = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, "setuptools>=77"]
    if subprocess.run(asked).returncode:
        pytest.skip("setuptools cannot be had")
    with hosts(tmp_path, {"laptop": "10.0.0.254", "head": "10.0.0.1", "node": "10.0.0.2"}) as made:
        for host in made[1:]:
            host.must("mkdir -p ~/.config/pip; rm -rf ~/galaxy-venv ~/.ray")
            host.must(f"printf '[global]\nno-index = true\nfind-links = {wheels}\n' > ~/.config/pip/pip.conf")
            host.must(f"ln -s {sys.prefix} ~/galaxy-venv")
        made[0].must("rm -rf ~/.ray")
        yield made


@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason=f"a cluster of hosts {missing()}")
def test_a_cluster_of_hosts_is_made_runs_a_study_and_is_taken_down(tmp_path, machines):
    laptop, head, node = machines
    cluster = (ROOT / "cluster" / "cluster.yaml").read_text()
    assert "head_ip: 10.0.0.1" in cluster and "[10.0.0.2]" in cluster and "ssh_user: galaxy" in cluster
    (tmp_path / "cluster.yaml").write_text(cluster.replace("ssh_user: galaxy", "ssh_user: root"))
    page = commands()

    def type_in(where, told=str):
        text = told(page[where][0].replace("cluster/cluster.yaml", str(tmp_path / "cluster.yaml")))
        exports = f"export PATH={sys.prefix}/bin:$PATH; " + page["everywhere: yours to change"][0]
        return laptop.run(f"{exports}\n{text}", cwd=ROOT)

    assert type_in("once").returncode == 0
    up = type_in("on your machine, in the root of this repository")
    assert up.returncode == 0, up.stdout[-3000:] + up.stderr[-3000:]
    deadline = time.monotonic() + 300
    while f"/{2 * CPUS:.1f} CPU" not in (joined := type_in("on your machine: who has joined")).stdout:
        assert time.monotonic() < deadline, joined.stdout + joined.stderr
        time.sleep(3)
    ran = type_in("on your machine: a study", small)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
    assert f"2 trial(s) on {2 * CPUS} CPUs" in ran.stdout
    results = tmp_path / "shared" / "results" / "quickstart"
    assert len(list(results.glob("trials/*/evaluations/*/evaluation.json"))) == 4
    assert (results / "best" / "checkpoint.pt").exists()
    for host in (head, node):
        assert host.run("grep -ls RayTrainWorker /tmp/ray/session_latest/logs/worker-*").stdout, f"{host.name}: idle"
        assert host.run("stat -c %a ~/.ray/auth_token").stdout.strip() == "600"
    token = head.run("cat ~/.ray/auth_token").stdout.strip()
    assert token and token not in up.stdout + up.stderr + ran.stdout + ran.stderr
    down = type_in("on your machine: the end")
    assert down.returncode == 0, down.stderr[-3000:]
    assert not head.run("ps -C raylet -o stat= | grep -v Z").stdout
