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

from gan import checkpoint
from gan.config import ModelConfig, TrainConfig
from gan.models import build
from gan.sample import noise, sample, to_uint8
from gan.training import Trainer
from study.augment import augment
from study.errors import InputError
from study.generate import generate, main
from study.generation import read_manifest
from study.model_files import find_model, load_model
from study.writers import NpyWriter, block_size

ROOT = Path(__file__).resolve().parents[2]
SMALL = ModelConfig(image_size=16, width=4, latent_dim=8)


def trained(path: Path, model: ModelConfig = SMALL) -> Path:
    pixels = (32, model.image_size, model.image_size, model.channels)
    images = np.random.default_rng(0).integers(0, 256, pixels, np.uint8)
    trainer = Trainer(model, TrainConfig(batch_size=16), images, device="cpu", threads=1)
    trainer.train_epoch()
    checkpoint.save(trainer, path)
    return path


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


def read_back(folder: Path, kind: str) -> np.ndarray:
    """All galaxies, by programs that know nothing of ours."""
    if kind == "npy":
        return np.load(folder / "galaxies.npy", allow_pickle=False)
    if kind == "npz":
        return np.concatenate([np.load(p)["images"] for p in sorted(folder.glob("npz/*.npz"))])
    if kind == "png":
        from PIL import Image

        return np.stack([np.asarray(Image.open(p)) for p in sorted(folder.glob("png/*/*.png"))])
    from astropy.io import fits

    cubes = [fits.getdata(p) for p in sorted(folder.glob("fits/*.fits"))]
    return np.concatenate(cubes)[:, :, ::-1].transpose(0, 2, 3, 1)


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


# --- which model -----------------------------------------------------------------------------------------------------


def test_a_study_folder_means_its_best_checkpoint(saved, tmp_path):
    (tmp_path / "results/mine/best").mkdir(parents=True)
    best = tmp_path / "results/mine/best/checkpoint.pt"
    best.write_bytes(saved.read_bytes())
    assert find_model(str(tmp_path / "results/mine"), tmp_path) == best
    with pytest.raises(InputError, match=r"studies there: .*mine"):
        find_model(str(tmp_path / "results"), tmp_path)


def test_the_authors_bare_weights_are_a_model(tmp_path):
    generator, _ = build(ModelConfig(image_size=64, width=4))
    weights = {key: value for key, value in generator.state_dict().items() if "num_batches" not in key}
    torch.save(weights, tmp_path / "dcgan_G.pth")
    model = load_model(str(tmp_path / "dcgan_G.pth"))
    manifest = generate(model, tmp_path / "g", count=3, kind="npy", catalogue=False)
    assert manifest["request"]["galaxy"] == [64, 64, 3]
    assert np.array_equal(read_back(tmp_path / "g", "npy"), sample(generator, 3, seed=0))


def enlarger(path: Path, **fields) -> Path:
    """Weights of a Stage-II as the authors released theirs."""
    settings = {"family": "stackgan", "image_size": 128, "width": 4, "discriminator_width": 2} | fields
    network, _ = build(ModelConfig(**settings))
    torch.save({key: value for key, value in network.state_dict().items() if "num_batches" not in key}, path)
    return path


def test_a_chain_draws_what_its_two_stages_draw_in_turn(tmp_path):
    """z -> 64 px -> (x + 1) / 2 -> 128 px, as F&M sec. 2.3; resumed like any other."""
    first = trained(tmp_path / "first.pt", ModelConfig(image_size=64, width=2, latent_dim=8))
    chain = load_model(str(first), str(enlarger(tmp_path / "second.pth")))
    assert (chain.image_size, chain.channels) == (128, 3)
    manifest = generate(chain, tmp_path / "g", count=3, kind="npy", seed=2)
    assert manifest["request"]["galaxy"] == [128, 128, 3]
    assert set(manifest["models"]) == {"model", "enlarge"}
    stage1, _ = checkpoint.load_generator(first)
    stage2, _ = checkpoint.load_enlarger(tmp_path / "second.pth")
    with torch.inference_mode():
        z = torch.from_numpy(noise(2, 0, 64, 8))
        drawn = to_uint8(stage2((stage1(z) + 1) / 2))[:3].numpy()
    assert np.array_equal(read_back(tmp_path / "g", "npy"), drawn)
    other = load_model(str(first), str(enlarger(tmp_path / "third.pth", width=5)))
    with pytest.raises(InputError, match=r"enlarge\.sha256"):
        generate(other, tmp_path / "g", count=3, kind="npy", seed=2)


def test_stages_that_do_not_fit_are_refused(saved, tmp_path):
    with pytest.raises(InputError, match="draws images of 16 px, but the second enlarges images of 64 px"):
        load_model(str(saved), str(enlarger(tmp_path / "second.pth")))
    five = trained(tmp_path / "5.pt", ModelConfig(image_size=64, width=2, latent_dim=8, channels=5))
    with pytest.raises(InputError, match="takes 3 bands, and --model draws 5"):
        load_model(str(five), str(tmp_path / "second.pth"))
    with pytest.raises(InputError, match="which enlarges images"):
        load_model(str(tmp_path / "second.pth"))


def test_mlflow_runs_and_registered_models(saved, tmp_path):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info
    (tmp_path / "checkpoint.pt").write_bytes(saved.read_bytes())
    client.log_artifact(run.run_id, str(tmp_path / "checkpoint.pt"), "model")
    client.create_registered_model("galaxies")
    client.create_model_version("galaxies", f"{run.artifact_uri}/model", run_id=run.run_id)
    client.set_registered_model_alias("galaxies", "best", "1")
    for name in (f"runs:/{run.run_id}", "models:/galaxies/1", "models:/galaxies@best"):
        found = find_model(name, tmp_path, tracking_uri=uri)
        assert found.read_bytes() == saved.read_bytes()
    for name in ("runs:/0123", "models:/galaxies/7", "models:/galaxies/latest", "models:/nothing/1"):
        with pytest.raises(InputError, match="not to be had from MLflow"):
            find_model(name, tmp_path, tracking_uri=uri)


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


# --- flips and turns -------------------------------------------------------------------------------------------------


def pictures(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 3), np.uint8)


@pytest.mark.parametrize("how", ["right", "any"])
def test_the_turn_of_a_galaxy_depends_on_seed_and_number_only(how):
    images = pictures(130)
    whole = augment(images, how, seed=4)
    parts = [augment(images[a:b], how, seed=4, start=a) for a, b in ((0, 7), (7, 100), (100, 130))]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, augment(images, how, seed=5))


def test_right_angles_are_the_eight_moves_of_a_square_in_equal_shares():
    one = pictures(1)[0]
    moves = [np.rot90(f, k) for f in (one, one[:, ::-1]) for k in range(4)]
    turned = augment(np.repeat(one[None], 4000, axis=0), "right", seed=0)
    counts = [int((turned == move).all(axis=(1, 2, 3)).sum()) for move in moves]
    assert sum(counts) == 4000
    assert max(abs(c - 500) for c in counts) < 5 * np.sqrt(500)


def test_any_angle_turns_a_bar_to_all_angles_and_keeps_its_light():
    """The moments' angle of an elongated Gaussian is spread evenly; its flux stays."""
    y, x = np.mgrid[:64, :64] - 31.5
    bar = np.rint(200 * np.exp(-((x / 6) ** 2 + (y / 2) ** 2) / 2)).astype(np.uint8)
    turned = augment(np.repeat(bar[None, ..., None], 600, axis=0), "any", seed=2)[..., 0].astype(float)
    light = turned.sum((1, 2))
    assert np.abs(light / bar.sum() - 1).max() < 0.01
    xx, yy, xy = ((turned * moment).sum((1, 2)) / light for moment in (x * x, y * y, x * y))
    angles = np.sort(np.mod(0.5 * np.arctan2(2 * xy, xx - yy), np.pi)) / np.pi
    steps = np.arange(1, 601) / 600
    assert np.abs(angles - steps).max() < 1.63 / np.sqrt(600)  # Kolmogorov's 1% point


def test_no_augmentation_touches_nothing():
    images = pictures(3)
    assert augment(images, "none", seed=0) is images
