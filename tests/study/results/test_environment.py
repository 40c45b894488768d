"""What a result was made with."""

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from study.results.environment import environment, environment_json

ROOT = Path(__file__).resolve().parents[3]


def test_python_and_packages_are_those_that_run():
    found = environment()
    assert found["python"] == platform.python_version()
    for name in ("torch", "numpy", "optuna", "ray"):
        assert found["packages"][name] == metadata.version(name)


def test_the_commit_is_that_of_the_code_wherever_the_command_runs(tmp_path, monkeypatch):
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    monkeypatch.chdir(tmp_path)
    found = environment()
    assert found["git_commit"] == (head or "unknown") and isinstance(found["git_changes"], bool)


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = environment()
    assert found["git_commit"] == "unknown" and found["git_changes"] is False


def test_the_text_is_json_of_the_same():
    assert json.loads(environment_json()) == environment()
