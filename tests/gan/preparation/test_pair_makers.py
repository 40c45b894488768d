"""Pairs of files: registered or trusted to lie upon each other, with their scales and classes."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan import prepare
from gan.datasets.pair_set import PairSet
from gan.datasets.synthetic import draw
from tests.gan.pair_folders import save
from tests.gan.places import REAL


@pytest.fixture(scope="module")
def galaxies():
    """(6, 64, 64, 3) uint8."""
    return draw(6, size=64, seed=3)[0]


def run(*arguments):
    return prepare.main([*map(str, arguments), "--quiet", "--jobs", "1"])


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
@pytest.mark.skipif(not (REAL / "pairs.csv").exists(), reason=f"no real pairs in {REAL}")
def test_all_real_pairs_register(tmp_path):
    command = ["--pairs", REAL / "pairs.csv", "--root", REAL / "pairs", "--columns", "sdss", "decals"]
    assert run(*command, "--sizes", 128, "--out", tmp_path / "set") == 0
    made = PairSet.open(tmp_path / "set")
    assert len(made) == 22 and made.manifest["refused"] == [] and (made.index["correlation"] > 0.8).all()
    listed = made.index["decals_zoom_to_match_sdss"]
    assert (np.abs(made.index["zoom"] / listed - 1) < 0.07).all()
    json.dumps(made.manifest)
