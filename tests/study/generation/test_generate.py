"""Galaxies from a trained model: the same ones whatever interrupts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import InputError
from gan.config import ModelConfig
from study.generation.folder import read_manifest
from study.generation.generate import generate
from study.results.models import load_model
from tests.study.trained import read_back, trained


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
