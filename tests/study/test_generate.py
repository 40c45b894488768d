"""`python -m study.generate`: what it says, what it refuses, and that it goes on after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gan.sample import sample
from study.generate import main
from study.generation.folder import read_manifest
from study.generation.generate import generate
from study.results.models import load_model
from tests.study.trained import trained

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("model") / "c.pt")


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_process_goes_on(saved, tmp_path):
    """kill -9 in the middle, then the same command to its end."""
    facts = {"count": 30_000, "kind": "npy", "catalogue": False}
    command = [sys.executable, "-m", "study.generate", "--model", str(saved), "-n", "30000", "--format", "npy"]
    killed = subprocess.Popen([*command, "--no-catalogue", "--device", "cpu", "--out", str(tmp_path / "g")], cwd=ROOT)
    record = tmp_path / "g/.generation/done"
    wait_for(lambda: killed.poll() is not None or (record.exists() and record.read_text().count("\n") >= 2))
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    before = record.read_text().count("\n")
    assert 2 <= before < 30
    model = load_model(str(saved))
    manifest = generate(model, tmp_path / "g", **facts, device="cpu")
    assert manifest["complete"]
    straight = sample(model.network, 30_000, seed=0, device="cpu")
    assert np.array_equal(np.load(tmp_path / "g/galaxies.npy"), straight)


def test_ctrl_c_says_how_to_go_on(saved, tmp_path, capfd):
    record = tmp_path / "g/.generation/done"

    def press() -> None:
        wait_for(record.exists)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    command = [
        "--model",
        str(saved),
        "-n",
        "1000000",
        "--format",
        "npy",
        "--no-catalogue",
        "--out",
        str(tmp_path / "g"),
    ]
    assert main(command) == 130
    errors = capfd.readouterr().err
    assert "To go on:" in errors and str(tmp_path / "g") in errors and "Traceback" not in errors
    assert read_manifest(tmp_path / "g")["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "nowhere.pt"], "no such file or folder"),
        (["--model", "{tmp}/text.pt"], "text.pt"),
        (["--model", "{tmp}/half.pt"], "half.pt"),
        (["--model", "{tmp}"], "neither best/checkpoint.pt nor checkpoint.pt"),
        (["--model", "runs:/12", "--tracking-uri", "sqlite:///{tmp}/none.db"], "no MLflow store"),
        (["--model", "{ok}", "-n", "0"], "-n 0: expected 1"),
        (["--model", "{ok}", "--seed", "-4"], "--seed -4"),
        (["--model", "{ok}", "--batch-size", "0"], "--batch-size 0"),
        (["--model", "{ok}", "--device", "cuda:99"], "--device cuda:99"),
        (["--model", "{ok}", "--device", "pencil"], "--device pencil"),
        (["--model", "{ok}", "--enlarge", "{ok}"], "one that enlarges images is needed"),
        (["--model", "{ok}", "--out", "{ok}"], "a file"),
    ],
)
def test_wrong_input_is_one_message_and_nothing_made(saved, tmp_path, capfd, arguments, words):
    (tmp_path / "text.pt").write_text("not weights")
    (tmp_path / "half.pt").write_bytes(saved.read_bytes()[:2000])
    filled = [a.format(tmp=tmp_path, ok=saved) for a in arguments]
    before = sorted(os.listdir(tmp_path))
    defaults = ["-n", "5", "--out", str(tmp_path / "out")]
    assert main([*defaults, *filled]) == 2
    errors = capfd.readouterr().err
    assert words in errors and "Traceback" not in errors and errors.startswith("error: ")
    assert sorted(os.listdir(tmp_path)) == before


def test_the_command_says_what_it_made(saved, tmp_path, capfd):
    command = ["--model", str(saved), "-n", "30", "--out", str(tmp_path / "g"), "--format", "npz", "--augment"]
    assert main(command) == 0
    said = capfd.readouterr().out
    assert "30 galaxies of 16 x 16 px" in said and "catalogue.parquet" in said
    assert json.loads((tmp_path / "g/manifest.json").read_text())["request"]["augment"] == "right"
    assert main(command) == 0
    assert "nothing to do" in capfd.readouterr().out
