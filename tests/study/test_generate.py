"""Galaxies from a trained model: the same ones whatever interrupts, in files that others can read."""

from __future__ import annotations

import hashlib
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
import torch

from gan.config import ModelConfig
from gan.sample import sample
from study.config.errors import InputError
from study.generate import generate, main
from study.generation.folder import read_manifest
from study.generation.models import load_model
from study.generation.writers import NpyWriter, block_size
from tests.study.trained import read_back, trained

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("model") / "c.pt")


@pytest.fixture(scope="module")
def model(saved):
    return load_model(str(saved))


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file but the manifest, which holds times."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


class Cut(Exception):
    """Stands for whatever ends a process."""


def cut_after(count: int):
    def progress(done: int, total: int) -> None:
        if done >= count:
            raise Cut

    return progress


@pytest.mark.parametrize("kind", ["png", "npy", "npz", "fits"])
def test_a_generation_cut_short_ends_with_the_same_bytes(model, tmp_path, kind):
    facts = {"count": 1100, "kind": kind, "seed": 5, "catalogue": kind == "fits", "turn": "right"}
    straight = generate(model, tmp_path / "straight", **facts)
    with pytest.raises(Cut):
        generate(model, tmp_path / "cut", **facts, progress=cut_after(1000))
    assert read_manifest(tmp_path / "cut")["complete"] is False
    resumed = generate(model, tmp_path / "cut", **facts)
    assert contents(tmp_path / "cut") == contents(tmp_path / "straight")
    assert resumed["pixels_sha256"] == straight["pixels_sha256"]
    assert not list((tmp_path / "cut").rglob("*.partial"))


@pytest.mark.parametrize("kind", ["png", "npy", "npz", "fits"])
def test_files_hold_what_the_generator_draws(model, tmp_path, kind):
    generate(model, tmp_path / "g", count=1003, kind=kind, seed=7, catalogue=False)
    assert np.array_equal(read_back(tmp_path / "g", kind), sample(model.network, 1003, seed=7))


def test_png_in_numbered_folders_of_a_thousand(model, tmp_path):
    generate(model, tmp_path / "g", count=1003, kind="png", catalogue=False)
    names = sorted(str(p.relative_to(tmp_path / "g/png")) for p in (tmp_path / "g/png").rglob("*.png"))
    assert names[0] == "000000/galaxy-000000000.png" and names[-1] == "000001/galaxy-000001002.png"
    assert len(names) == 1003


def test_fits_says_where_it_comes_from_and_carries_its_catalogue(model, tmp_path):
    from astropy.io import fits
    from astropy.table import Table

    generate(model, tmp_path / "g", count=40, kind="fits", seed=3)
    path = tmp_path / "g/fits/galaxies-000000.fits"
    with fits.open(path, checksum=True) as hdus:
        header = hdus[0].header
        assert hdus[0].data.shape == (40, 3, 16, 16)
        assert (header["SEED"], header["FIRSTGAL"], header["NGALAXY"]) == (3, 0, 40)
        assert header["MODELSHA"] == model.origin["model"]["sha256"]
        assert hdus["CATALOGUE"].columns["position_angle"].unit == "deg"
    assert len(Table.read(path, hdu="CATALOGUE")) == 40


def test_the_catalogue_has_a_row_for_every_galaxy_and_is_of_these_galaxies(model, tmp_path):
    from eval.catalogue import FLOAT_COLUMNS, read_catalogue
    from eval.measure import measure

    manifest = generate(model, tmp_path / "g", count=1030, kind="npy", turn="any", seed=1)
    catalogue = read_catalogue(tmp_path / "g/catalogue.parquet")
    assert list(catalogue["id"]) == list(range(1030))
    assert sum(manifest["status"].values()) == 1030
    again = measure(read_back(tmp_path / "g", "npy")[1000:])
    assert list(again["status"]) == list(catalogue["status"][1000:])
    columns = list(FLOAT_COLUMNS)
    np.testing.assert_array_equal(catalogue[columns][1000:], again[columns])


def test_the_manifest_names_model_seed_and_versions(model, saved, tmp_path):
    manifest = generate(model, tmp_path / "g", count=3, kind="npy", seed=9, catalogue=False)
    assert manifest == read_manifest(tmp_path / "g")
    assert manifest["complete"] is True
    assert manifest["request"]["seed"] == 9 and manifest["request"]["count"] == 3
    assert manifest["models"]["model"]["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert manifest["models"]["model"]["config"]["width"] == 4
    assert manifest["environment"]["packages"]["torch"] == torch.__version__.split("+")[0]
    assert sorted(os.listdir(tmp_path / "g")) == ["contact_sheet.png", "galaxies.npy", "manifest.json"]


def test_a_complete_generation_is_left_alone(model, tmp_path):
    generate(model, tmp_path / "g", count=5, kind="npy", catalogue=False)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "g").rglob("*")}
    generate(model, tmp_path / "g", count=5, kind="npy", catalogue=False)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "g").rglob("*")} == before


def test_a_torn_record_costs_only_its_block(model, tmp_path):
    """A kill in the middle of writing the record leaves half a line."""
    facts = {"count": 2100, "kind": "npy", "catalogue": False}
    generate(model, tmp_path / "straight", **facts)
    with pytest.raises(Cut):
        generate(model, tmp_path / "cut", **facts, progress=cut_after(2000))
    record = tmp_path / "cut/.generation/done"
    record.write_text(record.read_text()[:-30])
    generate(model, tmp_path / "cut", **facts)
    assert contents(tmp_path / "cut") == contents(tmp_path / "straight")


def test_a_lost_file_is_made_again(model, tmp_path):
    facts = {"count": 1100, "kind": "png", "catalogue": False}
    generate(model, tmp_path / "straight", **facts)
    with pytest.raises(Cut):
        generate(model, tmp_path / "cut", **facts, progress=cut_after(1000))
    (tmp_path / "cut/png/000000/galaxy-000000500.png").unlink()
    generate(model, tmp_path / "cut", **facts)
    assert contents(tmp_path / "cut") == contents(tmp_path / "straight")


def test_a_truncated_array_is_laid_out_again(tmp_path):
    writer = NpyWriter(tmp_path / "a.npy", (3, 2, 2, 1))
    writer.write(0, 0, np.full((1, 2, 2, 1), 7, np.uint8), None)
    with open(tmp_path / "a.npy", "r+b") as file:
        file.truncate(130)
    assert not NpyWriter(tmp_path / "a.npy", (3, 2, 2, 1)).has(0)
    assert not NpyWriter(tmp_path / "a.npy", (4, 2, 2, 1)).has(0)


def wait_for(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_process_goes_on(saved, model, tmp_path):
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
    ("change", "words"),
    [
        ({"seed": 1}, "seed: 0 there, 1 asked for"),
        ({"count": 6}, "count: 5 there, 6 asked for"),
        ({"kind": "npz"}, "format: npy there, npz"),
        ({"turn": "any"}, "augment: none there, any"),
        ({"catalogue": True}, "catalogue: False there, True"),
    ],
)
def test_a_folder_of_another_generation_is_refused(model, tmp_path, change, words):
    facts = {"count": 5, "kind": "npy", "catalogue": False}
    generate(model, tmp_path / "g", **facts)
    before = contents(tmp_path / "g")
    with pytest.raises(InputError, match=words):
        generate(model, tmp_path / "g", **{**facts, **change})
    assert contents(tmp_path / "g") == before


def test_a_folder_of_another_model_or_of_other_things_is_refused(model, tmp_path):
    other = load_model(str(trained(tmp_path / "other.pt", ModelConfig(image_size=16, width=5, latent_dim=8))))
    generate(model, tmp_path / "g", count=5, kind="npy", catalogue=False)
    with pytest.raises(InputError, match=r"model\.sha256"):
        generate(other, tmp_path / "g", count=5, kind="npy", catalogue=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").write_text("\\end")
    with pytest.raises(InputError, match="not empty"):
        generate(model, tmp_path / "mine", count=5)
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]
    with pytest.raises(InputError, match="a file"):
        generate(model, tmp_path / "other.pt", count=5)


def test_more_than_the_disk_holds_is_refused_before_the_first_galaxy(model, tmp_path):
    with pytest.raises(InputError, match="GB are needed"):
        generate(model, tmp_path / "new" / "g", count=10**13, kind="npy", catalogue=False)
    assert os.listdir(tmp_path) == []


def test_png_of_five_bands_is_refused(tmp_path):
    five = load_model(str(trained(tmp_path / "5.pt", ModelConfig(image_size=16, width=4, latent_dim=8, channels=5))))
    with pytest.raises(InputError, match=r"1 or 3 bands and the galaxies have 5"):
        generate(five, tmp_path / "g", count=5)
    assert not (tmp_path / "g").exists()
    generate(five, tmp_path / "g", count=5, kind="fits", catalogue=False)
    assert read_back(tmp_path / "g", "fits").shape == (5, 16, 16, 5)


def test_blocks_stay_below_64_mib():
    for side in (16, 64, 128, 256, 512):
        size = block_size(side * side * 3)
        assert size * side * side * 3 <= 64 << 20 and 1000 % size == 0
    assert block_size(128 * 128 * 3) == 1000


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
