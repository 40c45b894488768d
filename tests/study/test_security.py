"""What `docs/security.md` says: nothing of a results folder or an archive is run, nobody else may talk to Ray."""

import io
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from gan.datasets.synthetic import draw
from gan.prepare import main as prepare
from study.cluster import ray_session

ROOT = Path(__file__).resolve().parents[2]
SPACE = """\
study: safe
data: {set: synthetic, synthetic_count: 240, held_out: 80}
model: {width: 4}
train: {epochs: 30, batch_size: 32, lr: 1.0e-3}
objective: {samples: 80, every_epochs: 1, finalists: 0}
search: {sampler: random, trials: 1}
"""


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def test_members_of_a_zip_stay_in_it(tmp_path):
    from PIL import Image

    images, _ = draw(6, size=32)
    names = ["a.png", "../up.png", "../../../up.png", f"{tmp_path}/absolute.png", "..\\up.png", "x/../../up.png"]
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "in.zip", "w") as archive:
        for name, image in zip(names, images, strict=True):
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "PNG")
            archive.writestr(zipfile.ZipInfo(name), stream.getvalue())
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "out"
    assert prepare([str(tmp_path / "in" / "in.zip"), "--out", str(out), "--sizes", "16", "--quiet"]) == 0
    made = set(tmp_path.rglob("*")) - before
    assert made and all(path == out or out in path.parents for path in made)


def test_a_private_ray_gets_a_token_that_no_file_holds(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    ray_session.authenticate("10.0.0.1:6379")
    assert "RAY_AUTH_TOKEN" not in os.environ and not ray_session.protected()
    ray_session.authenticate(None)
    first = os.environ.pop("RAY_AUTH_TOKEN")
    assert len(first) == 64 and list(tmp_path.iterdir()) == []
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    ray_session.authenticate(None)
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_cluster_is_joined_with_the_token_that_the_user_has(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token")
    ray_session.authenticate("10.0.0.1:6379")
    assert ray_session.protected()
    monkeypatch.delenv("RAY_AUTH_MODE")


def test_telemetry_is_off_unless_asked_for(monkeypatch):
    settings = {"RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    for name in settings:
        monkeypatch.delenv(name, raising=False)
    ray_session.quiet_environment()
    assert {name: os.environ[name] for name in settings} == settings
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    ray_session.quiet_environment()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


@pytest.mark.slow
@pytest.mark.ray
def test_strangers_may_not_talk_to_a_private_ray(tmp_path):
    script = """
import psutil, sys, time
from study.cluster import ray_session
ray_session.start(None, None)
import ray
ours = psutil.Process().children(recursive=True)
listens = {c.laddr.port: c.laddr.ip for p in ours for c in p.net_connections() if c.status == "LISTEN"}
import os
token = os.environ["RAY_AUTH_TOKEN"]
assert not any(token in word for p in ours for word in p.cmdline())
url = ray._private.worker.global_worker.node.address_info["webui_url"]
assert listens[int(url.rpartition(":")[2])] == "127.0.0.1", listens
print(ray._private.worker.global_worker.node.gcs_address, flush=True)
time.sleep(300)
"""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("RAY_AUTH")} | {"HOME": str(tmp_path)}
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env=plain, stdout=subprocess.PIPE, text=True)
    try:
        address = owner.stdout.readline().strip()
        assert ":" in address
        join = f"import ray; ray.init(address={address!r}); print('in', ray.nodes())"
        for stranger in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "guess" * 8}):
            tried = subprocess.run(
                [sys.executable, "-c", join], env=plain | stranger, capture_output=True, text=True, timeout=300
            )
            assert tried.returncode != 0 and not tried.stdout.startswith("in")
        assert not (tmp_path / ".ray").exists()
    finally:
        owner.send_signal(signal.SIGINT)
        owner.wait(60)


@pytest.mark.slow
@pytest.mark.ray
def test_tunes_own_state_is_never_read(tmp_path):
    (tmp_path / "safe.yaml").write_text(SPACE)
    command = [sys.executable, "-m", "study.run", "--space", str(tmp_path / "safe.yaml")]
    command += ["--results", str(tmp_path / "results")]
    home, canary = tmp_path / "results" / "safe", tmp_path / "canary"
    begun = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 400
    while not list(home.glob("trials/*/evaluations/epoch-*/evaluation.json")):
        assert begun.poll() is None and time.monotonic() < deadline, begun.communicate()
        time.sleep(0.5)
    begun.send_signal(signal.SIGINT)
    begun.communicate(timeout=120)
    assert begun.returncode == 130
    pickles = [p for p in (home / "tune").rglob("*") if p.is_file()]
    assert any(path.suffix == ".pkl" for path in pickles)
    for path in pickles:
        path.write_bytes(pickle.dumps(Hostile(canary)))
    resumed = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert not canary.exists()
