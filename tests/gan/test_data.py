"""A galaxy set on disk: opened when whole, refused in words when not, divided the same way every time."""

import json

import numpy as np
import pandas as pd
import pytest

from gan.data import DataError, GalaxySet
from gan.datasets.writer import write_galaxy_set


@pytest.fixture
def galaxy_set(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {size: rng.integers(0, 256, (40, size, size, 3), np.uint8) for size in (16, 32)}
    index = pd.DataFrame({"id": [f"g{i}" for i in range(40)], "source": [f"g{i}.jpg" for i in range(40)]})
    about = {"source": {"kind": "folder", "path": "images"}, "transform": {"filter": "nearest"}, "refused": []}
    return write_galaxy_set(tmp_path / "set", arrays, index, about=about), arrays


def test_what_was_written_is_read_back(galaxy_set):
    made, arrays = galaxy_set
    opened = GalaxySet.open(made.path)
    assert len(opened) == 40 and opened.sizes == (16, 32) and opened.channels == 3
    for size, array in arrays.items():
        assert isinstance(opened.images(size), np.memmap) and not opened.images(size).flags.writeable
        np.testing.assert_array_equal(opened.images(size), array)
    assert list(opened.index["id"][:2]) == ["g0", "g1"]
    opened.verify()


def test_content_hash_follows_the_pixels_only(galaxy_set, tmp_path):
    made, arrays = galaxy_set
    index = made.index.assign(id=[f"other{i}" for i in range(40)])
    same = write_galaxy_set(tmp_path / "same", arrays, index, about={"source": {"kind": "zip"}})
    assert same.content_hash == made.content_hash
    arrays[16][3, 2, 1, 0] ^= 1
    other = write_galaxy_set(tmp_path / "other", arrays, index, about={})
    assert other.content_hash != made.content_hash


def test_split_is_disjoint_complete_nested_and_repeatable(galaxy_set):
    made, _ = galaxy_set
    train, held_out = made.split(0.25, seed=3)
    assert len(held_out) == 10
    assert sorted([*train, *held_out]) == list(range(40))
    again = GalaxySet.open(made.path).split(10, seed=3)
    np.testing.assert_array_equal(train, again[0])
    np.testing.assert_array_equal(held_out, again[1])
    assert set(made.split(4, seed=3)[1]) < set(held_out)
    assert set(made.split(10, seed=4)[1]) != set(held_out)
    assert len(made.split(0)[1]) == 0


@pytest.mark.parametrize("held_out", [40, 41, -1, 1.0, 1.5, -0.1])
def test_split_leaves_something_to_train_on(galaxy_set, held_out):
    with pytest.raises(DataError, match=r"hold out|held_out"):
        galaxy_set[0].split(held_out)


def test_a_size_not_prepared_names_those_that_are_and_the_command(galaxy_set):
    with pytest.raises(
        DataError, match=r"16, 32 px, not 64 px.*gan\.prepare images --out .* --sizes 16 32 64 --replace"
    ):
        galaxy_set[0].images(64)


def edit_manifest(path, **changes):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "manifest.json").write_text("{"), "cannot be read as a manifest"),
        (lambda p: (p / "manifest.json").write_text("[]"), "cannot be read as a manifest"),
        (lambda p: (p / "manifest.json").write_bytes(b"\xff\xfe"), "cannot be read as a manifest"),
        (lambda p: edit_manifest(p, format="cats"), "not a 'galaxy-set'"),
        (lambda p: edit_manifest(p, version=99), "format version 99"),
        (lambda p: edit_manifest(p, count=41), r"uint8 \(40, .*manifest says uint8 \(41"),
        (lambda p: edit_manifest(p, count="many"), "cannot be read as a manifest"),
        (lambda p: (p / "manifest.json").unlink(), "is not a galaxy set"),
        (lambda p: (p / "16.npy").unlink(), "16.npy cannot be read"),
        (lambda p: (p / "16.npy").write_bytes((p / "16.npy").read_bytes()[:-100]), "16.npy cannot be read"),
        (lambda p: (p / "16.npy").write_bytes(b""), "16.npy cannot be read"),
        (lambda p: np.save(p / "16.npy", np.zeros((40, 16, 16, 3))), "float64"),
        (lambda p: (p / "index.parquet").unlink(), "index.parquet is missing"),
    ],
)
def test_a_damaged_set_is_refused_in_words(galaxy_set, damage, message):
    path = galaxy_set[0].path
    damage(path)
    with pytest.raises(DataError, match=message):
        GalaxySet.open(path)


def test_an_unreadable_or_wrong_index_is_refused_when_asked_for(galaxy_set):
    path = galaxy_set[0].path
    galaxy_set[0].index.head(5).to_parquet(path / "index.parquet")
    with pytest.raises(DataError, match="5 rows for 40 images"):
        _ = GalaxySet.open(path).index
    (path / "index.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read"):
        _ = GalaxySet.open(path).index


def test_changed_pixels_are_found_by_verify(galaxy_set):
    path = galaxy_set[0].path
    content = bytearray((path / "32.npy").read_bytes())
    content[-7] ^= 1
    (path / "32.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"32\.npy was changed"):
        GalaxySet.open(path).verify()


def test_absent_and_foreign_folders(tmp_path):
    with pytest.raises(DataError, match=r"does not exist; make a galaxy set with: python -m gan\.prepare"):
        GalaxySet.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not a galaxy set"):
        GalaxySet.open(tmp_path)
    (tmp_path / ".prepare").mkdir()
    with pytest.raises(DataError, match="interrupted"):
        GalaxySet.open(tmp_path)


def test_writing_over_something_changes_nothing(galaxy_set):
    made, arrays = galaxy_set
    before = {p.name: p.stat().st_mtime_ns for p in made.path.parent.rglob("*")}
    with pytest.raises(DataError, match="cannot write"):
        write_galaxy_set(made.path, arrays, made.index, about={})
    assert {p.name: p.stat().st_mtime_ns for p in made.path.parent.rglob("*")}.keys() == before.keys()
