"""Where a private Ray keeps its session; that one starts where the folder for temporary files has a long name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import InputError
from study.cluster import ray_session

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def usual(monkeypatch):
    """Sets the folder for temporary files."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)

    def set_to(folder, variable="TMPDIR"):
        monkeypatch.setenv(variable, str(folder))

    return set_to


def test_a_short_folder_that_can_be_written_is_ray_s_own(usual, monkeypatch):
    usual("/tmp")
    with ray_session.session_folder():
        assert "RAY_TMPDIR" not in os.environ
    usual("/var/tmp", "RAY_TMPDIR")
    with ray_session.session_folder():
        assert os.environ["RAY_TMPDIR"] == "/var/tmp"


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_is_replaced_by_a_short_one_which_is_removed(usual, tmp_path, variable):
    long = tmp_path / ("long" * 15)
    long.mkdir()
    usual(long, variable)
    before = os.environ.get("RAY_TMPDIR")
    with pytest.raises(KeyError), ray_session.session_folder():
        own = Path(os.environ["RAY_TMPDIR"])
        (own / "ray").mkdir()
        assert len(str(own)) <= ray_session.LONGEST_FOLDER
        raise KeyError
    assert not own.exists() and os.environ.get("RAY_TMPDIR") == before


def test_a_folder_that_cannot_be_written_is_replaced(usual, tmp_path, monkeypatch):
    usual(tmp_path / "absent")
    with ray_session.session_folder():
        assert os.environ["RAY_TMPDIR"] != str(tmp_path / "absent")
    monkeypatch.setattr(ray_session, "SHORT_FOLDERS", ())
    with pytest.raises(InputError, match="RAY_TMPDIR"), ray_session.session_folder():
        pass


@pytest.mark.ray
def test_a_private_ray_starts_where_the_folder_for_temporary_files_has_a_long_name():
    script = """
import os
from study.cluster import ray_session
from study.cluster.preflight import code_travels

(node,) = ray_session.start(None, None)
import ray

own = os.environ["RAY_TMPDIR"]
assert os.path.isdir(f"{own}/ray/session_latest/sockets"), own
assert ray.get(ray.remote(lambda: 2).remote()) == 2
assert not code_travels()
ray_session.stop()
assert "RAY_TMPDIR" not in os.environ
print(own)
"""
    folder = Path("/tmp", "t" * (62 - len("/tmp/")))
    folder.mkdir(exist_ok=True)
    try:
        environment = {**os.environ, "TMPDIR": str(folder)}
        environment.pop("RAY_TMPDIR", None)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
        )
    finally:
        left = list(folder.iterdir())
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()
    assert not [path for path in left if path.name.startswith("ray")]
