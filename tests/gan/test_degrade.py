"""Pairs from deep images alone: repeatable, recorded, interrupted and gone on with."""

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from gan import degrade
from gan.data import DataError
from gan.datasets.pair_set import PairSet
from gan.datasets.synthetic import draw
from gan.degrade import synthetic_pairs
from tests.gan.pair_folders import save
from tests.gan.places import ROOT


@pytest.fixture(scope="module")
def galaxies():
    """(6, 64, 64, 3) uint8."""
    return draw(6, size=64, seed=3)[0]


@pytest.mark.parametrize("scale", [1, 2])
def test_synthetic_pairs_are_made_once_and_alike(tmp_path, scale):
    made = synthetic_pairs(tmp_path / "a", 9, size=32, scale=scale, seed=5)
    assert made.targets.shape == (9, 32 * scale, 32 * scale, 3) and set(made.labels) == {"disc", "elliptical"}
    assert synthetic_pairs(tmp_path / "a", 9, size=32, scale=scale, seed=5).content_hash == made.content_hash
    more = synthetic_pairs(tmp_path / "b", 12, size=32, scale=scale, seed=5)
    np.testing.assert_array_equal(more.inputs[:9], made.inputs)
    with pytest.raises(DataError, match="another pair set"):
        synthetic_pairs(tmp_path / "a", 9, size=32, scale=scale, seed=6)


def test_degrading_a_folder_repeats_exactly_and_is_recorded(tmp_path, galaxies, capsys):
    deep = save(tmp_path / "deep", galaxies)
    (deep / "broken.png").write_bytes(b"no image")
    pd.DataFrame({"id": [f"galaxy{i}" for i in range(6)], "kind": ["spiral", "smooth"] * 3}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    command = [str(deep), "--sizes", "32", "--scale", "2", "--seed", "3", "--quiet", "--depth-loss", "1.5", "0.1"]
    labels = ["--table", str(tmp_path / "labels.csv"), "--label", "kind"]
    assert degrade.main([*command, *labels, "--jobs", "1", "--out", str(tmp_path / "one")]) == 0
    assert "not-an-image" in capsys.readouterr().out
    assert degrade.main([*command, "--jobs", "2", "--out", str(tmp_path / "two")]) == 0
    one, two = PairSet.open(tmp_path / "one"), PairSet.open(tmp_path / "two")
    assert one.content_hash == two.content_hash and len(one) == 6 and one.scale == 2
    np.testing.assert_array_equal(one.targets, galaxies)  # 64 px already
    assert one.of_class("spiral").tolist() == [0, 2, 4]
    assert one.manifest["transform"]["degradation"]["depth_loss"] == [1.5, 0.1] and one.manifest["transform"]["assumes"]
    assert one.index["depth_loss"].between(1, 2).all() and one.index["seeing"].gt(1).all()
    assert degrade.main([*command[:5], "--seed", "4", "--quiet", "--jobs", "1", "--out", str(tmp_path / "one")]) == 2
    assert "another pair set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sizes", "32", "64"), "one size"),
        (("--scale", "3"), "scale"),
        (("--seeing", "-1", "0.1"), "seeing"),
        (("--field", "80", "nan"), "field"),
        (("--seed", "-1"), "seed"),
        (("--label", "kind"), "no such column"),
    ],
)
def test_wrong_options_of_degrading_are_one_message(tmp_path, galaxies, capsys, options, message):
    deep = save(tmp_path / "deep", galaxies[:2])
    assert degrade.main([str(deep), "--out", str(tmp_path / "set"), "--sizes", "32", "--quiet", *options]) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1 and not (tmp_path / "set").exists()


@pytest.mark.slow
def test_an_interrupted_preparation_of_pairs_goes_on(tmp_path, galaxies):
    deep = tmp_path / "deep"
    deep.mkdir()
    for i in range(60):
        shutil.copy(
            save(tmp_path / f"s{i}", [np.roll(galaxies[i % 6], i, axis=1)]) / "galaxy0.png", deep / f"{i:02d}.png"
        )
    command = [sys.executable, "-m", "gan.degrade", str(deep), "--out", str(tmp_path / "set"), "--sizes", "64",
               "--jobs", "1", "--quiet"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "set" / ".prepare" / "parts"
    deadline = time.monotonic() + 60
    while process.poll() is None and not list(parts.glob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    if process.returncode == 130:
        assert "run the same command again" in errors
        with pytest.raises(DataError, match="interrupted"):
            PairSet.open(tmp_path / "set")
        assert degrade.main(command[3:]) == 0
    assert degrade.main([*command[3:4], "--out", str(tmp_path / "whole"), *command[6:]]) == 0
    assert PairSet.open(tmp_path / "set").content_hash == PairSet.open(tmp_path / "whole").content_hash
