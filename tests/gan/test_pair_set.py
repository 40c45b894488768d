"""Pair sets: written whole, opened when sound, divided by galaxy; made of files, of tables and of deep images."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan import degrade, prepare
from gan.data import DataError, GalaxySet
from gan.datasets.pair_set import PairSet, write_pairs
from gan.datasets.synthetic import draw
from gan.degrade import synthetic_pairs

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "galaxies"


def arrays(n=12, size=16, scale=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (n, side, side, 3), np.uint8) for side in (size, size * scale)]


def index(n=12, **columns):
    return pd.DataFrame({"id": [f"g{i}" for i in range(n)], "source": [f"g{i}.png" for i in range(n)], **columns})


@pytest.fixture(scope="module")
def galaxies():
    """(6, 64, 64, 3) uint8."""
    return draw(6, size=64, seed=3)[0]


def save(folder, images, *, suffix="png"):
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"galaxy{i}.{suffix}")
    return folder


def run(*arguments):
    return prepare.main([*map(str, arguments), "--quiet", "--jobs", "1"])


# --- The set ----------------------------------------------------------------------------------------------------------


def test_what_was_written_is_read_back(tmp_path):
    inputs, targets = arrays()
    made = write_pairs(tmp_path / "set", inputs, targets, index(label=["a"] * 12), about={"source": {"kind": "test"}})
    opened = PairSet.open(tmp_path / "set")
    assert (len(opened), opened.size, opened.scale, opened.channels) == (12, 16, 2, 3)
    assert isinstance(opened.inputs, np.memmap) and not opened.targets.flags.writeable
    np.testing.assert_array_equal(opened.inputs, inputs)
    np.testing.assert_array_equal(opened.targets, targets)
    opened.verify()
    inputs[0, 0, 0, 0] ^= 1
    other = write_pairs(tmp_path / "other", inputs, targets, index(), about={})
    assert other.content_hash != made.content_hash == opened.content_hash and other.labels is None


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (np.zeros((3, 16, 16, 3), np.uint8), np.zeros((2, 16, 16, 3), np.uint8)),
        (np.zeros((2, 16, 16, 3), np.uint8), np.zeros((2, 48, 48, 3), np.uint8)),
        (np.zeros((2, 16, 16, 3), np.uint8), np.zeros((2, 24, 24, 3), np.uint8)),
        (np.zeros((2, 16, 16, 3)), np.zeros((2, 16, 16, 3), np.uint8)),
        (np.zeros((0, 16, 16, 3), np.uint8), np.zeros((0, 16, 16, 3), np.uint8)),
    ],
)
def test_arrays_that_do_not_pair_are_refused(tmp_path, inputs, targets):
    with pytest.raises(DataError, match="expected"):
        write_pairs(tmp_path / "set", inputs, targets, index(len(inputs)), about={})
    assert list(tmp_path.iterdir()) == []


def test_pairs_of_one_galaxy_stay_together(tmp_path):
    galaxy = np.repeat([f"n{i}" for i in range(6)], 2)
    made = write_pairs(tmp_path / "set", *arrays(), index(galaxy=galaxy), about={})
    train, held_out = made.split(0.3, seed=1)
    assert sorted([*train, *held_out]) == list(range(12)) and len(held_out) == 4
    assert not set(galaxy[train]) & set(galaxy[held_out])
    np.testing.assert_array_equal(made.split(0.3, seed=1)[1], held_out)
    assert set(made.split(0.3, seed=2)[1]) != set(held_out) and len(made.split(0)[1]) == 0


def test_classes_choose_rows(tmp_path):
    made = write_pairs(tmp_path / "set", *arrays(), index(label=["spiral", "smooth", None] * 4), about={})
    assert made.of_class("smooth").tolist() == [1, 4, 7, 10] and made.labels[2] == ""
    with pytest.raises(DataError, match="'smooth', 'spiral'"):
        made.of_class("spirals")


def test_damage_is_told(tmp_path):
    made = write_pairs(tmp_path / "set", *arrays(), index(), about={})
    with pytest.raises(DataError, match="not a 'galaxy-set'"):
        GalaxySet.open(made.path)
    with pytest.raises(DataError, match="--pairs"):
        PairSet.open(tmp_path / "absent")
    (made.path / "targets.npy").write_bytes((made.path / "targets.npy").read_bytes()[:500])
    with pytest.raises(DataError, match=r"targets\.npy"):
        PairSet.open(made.path)


# --- Synthetic and degraded pairs -------------------------------------------------------------------------------------


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


# --- Pairs of files ---------------------------------------------------------------------------------------------------


def blurred(image, seed=0):
    from scipy.ndimage import gaussian_filter

    noisy = gaussian_filter(image.astype(float), (1, 1, 0)) + np.random.default_rng(seed).normal(0, 4, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def test_two_folders_become_a_pair_set_and_bad_pairs_are_refused_one_by_one(tmp_path, galaxies, capsys):
    inputs = save(tmp_path / "sdss", [blurred(image) for image in galaxies])
    targets = save(tmp_path / "decals", galaxies)
    (inputs / "galaxy1.png").write_bytes(b"")
    (targets / "galaxy2.png").unlink()
    (inputs / "galaxy3.png").unlink()
    (targets / "galaxy4.png").write_bytes((targets / "galaxy4.png").read_bytes()[:2000])
    other = np.random.default_rng(1).integers(0, 60, (64, 64, 3), np.uint8)
    Image.fromarray(other).save(targets / "galaxy5.png")
    assert run("--pairs", inputs, targets, "--sizes", 48, "--out", tmp_path / "set") == 0
    made = PairSet.open(tmp_path / "set")
    assert made.index["id"].tolist() == ["galaxy0"] and made.inputs.shape == (1, 48, 48, 3)
    listed = {entry["file"]: entry["reason"] for entry in made.manifest["refused"]}
    assert listed == {
        "galaxy1.png": "empty",
        "galaxy2.png": "no-counterpart",
        "galaxy3.png": "no-counterpart",
        "galaxy4.png": "truncated",
        "galaxy5.png": "not-registered",
    }
    assert abs(made.index["zoom"][0] - 1) < 0.02 and abs(made.index["shift_x"][0]) < 1
    assert run("--pairs", inputs, targets, "--sizes", 48, "--out", tmp_path / "set") == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_table_brings_scales_classes_and_files_of_any_name(tmp_path, galaxies):
    images = tmp_path / "images"
    save(images, galaxies[:3])
    for i in range(3):
        Image.fromarray(galaxies[i]).resize((96, 96), Image.Resampling.BICUBIC).save(images / f"deep{i}.png")
    rows = pd.DataFrame({"sdss": [f"galaxy{i}.png" for i in range(3)], "deep": ["deep0.png", "deep1.png", None],
                         "ratio": [64 / 96, np.nan, 1.0], "morphology": ["spiral", "smooth", "spiral"]})  # fmt: skip
    rows.to_csv(tmp_path / "pairs.csv", index=False)
    command = [
        "--pairs",
        tmp_path / "pairs.csv",
        "--root",
        images,
        "--columns",
        "sdss",
        "deep",
        "--zoom-column",
        "ratio",
    ]
    assert run(*command, "--label", "morphology", "--sizes", 32, "--scale", 2, "--out", tmp_path / "set") == 0
    made = PairSet.open(tmp_path / "set")
    assert made.labels.tolist() == ["spiral", "smooth"] and made.targets.shape == (2, 64, 64, 3)
    assert made.index["zoom"].to_numpy() == pytest.approx([2 / 3, 2 / 3], rel=0.01)
    assert made.manifest["refused"] == [{"file": "galaxy2.png", "reason": "no-counterpart",
                                         "detail": "no target of this name"}]  # fmt: skip


def test_frames_that_are_one_already_need_no_registration(tmp_path, galaxies):
    inputs, targets = save(tmp_path / "a", galaxies[:, ::2, ::2]), save(tmp_path / "b", galaxies)
    command = ["--pairs", inputs, targets, "--register", "none", "--sizes", 32, "--scale", 2]
    assert run(*command, "--out", tmp_path / "set") == 0
    made = PairSet.open(tmp_path / "set")
    np.testing.assert_array_equal(made.targets, galaxies)
    np.testing.assert_array_equal(made.inputs, galaxies[:, ::2, ::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pairs", "a"], "two folders"),
        (["--pairs", "a", "b", "--sizes", 16, 32], "one size"),
        (["--pairs", "a", "empty"], "no file name is in both"),
        (["--pairs", "a", "t.csv"], "two folders"),
        (["--pairs", "t.csv"], "no column 'input'"),
        (["--pairs", "absent.csv"], "does not exist"),
        (["--pairs", "t.csv", "--columns", "x", "y"], "no column 'y'"),
        (["a", "b"], "one SOURCE expected"),
    ],
)
def test_wrong_pairs_are_one_message(tmp_path, galaxies, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a", galaxies[:1])
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.csv").write_text("x\n1\n")
    assert run(*arguments, "--out", "set") == 2
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


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "pairs.csv").exists(), reason=f"no real pairs in {REAL}")
def test_all_real_pairs_register(tmp_path):
    command = ["--pairs", REAL / "pairs.csv", "--root", REAL / "pairs", "--columns", "sdss", "decals"]
    assert run(*command, "--sizes", 128, "--out", tmp_path / "set") == 0
    made = PairSet.open(tmp_path / "set")
    assert len(made) == 22 and made.manifest["refused"] == [] and (made.index["correlation"] > 0.8).all()
    listed = made.index["decals_zoom_to_match_sdss"]
    assert (np.abs(made.index["zoom"] / listed - 1) < 0.07).all()
    json.dumps(made.manifest)
