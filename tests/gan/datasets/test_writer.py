"""Sets written from memory: whole or not at all, described by what their pixels are."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from gan.data import DataError, GalaxySet, array_hash
from gan.datasets import writer
from gan.datasets.writer import describe_arrays, software_versions, write_galaxy_set

ARRAYS = {size: np.full((3, size, size, 3), size, np.uint8) for size in (8, 16)}
INDEX = pd.DataFrame({"id": ["a", "b", "c"], "source": ["a.png", "b.png", "c.png"]})


def test_a_set_has_its_arrays_index_and_manifest_and_nothing_else(tmp_path):
    made = write_galaxy_set(tmp_path / "sets" / "one", ARRAYS, INDEX, about={"source": {"kind": "test"}})
    assert sorted(os.listdir(made.path)) == ["16.npy", "8.npy", "index.parquet", "manifest.json"]
    assert os.listdir(tmp_path / "sets") == ["one"]
    manifest = json.loads((made.path / "manifest.json").read_text())
    assert manifest["source"] == {"kind": "test"} and manifest["software"]["numpy"] == np.__version__
    made.verify()


def test_a_disk_that_is_full_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write_json", full)
    with pytest.raises(DataError, match=r"cannot write .*one: No space left"):
        write_galaxy_set(tmp_path / "one", ARRAYS, INDEX, about={})
    assert os.listdir(tmp_path) == []


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_galaxy_set(tmp_path, ARRAYS, INDEX, about={})
    assert os.listdir(tmp_path) == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert len(write_galaxy_set(tmp_path / "empty", ARRAYS, INDEX, about={})) == 3


def test_other_users_may_read_a_set_as_they_may_any_folder(tmp_path):
    (tmp_path / "plain").mkdir()
    made = write_galaxy_set(tmp_path / "set", ARRAYS, INDEX, about={})
    assert made.path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_arrays_are_described_in_any_order_alike():
    described = describe_arrays({str(size): ARRAYS[size] for size in (16, 8)})
    assert described == describe_arrays({str(size): array for size, array in ARRAYS.items()})
    assert (described["count"], described["channels"], described["sizes"]) == (3, 3, [8, 16])
    assert described["arrays"]["8"] == {
        "file": "8.npy", "shape": [3, 8, 8, 3], "dtype": "uint8", "sha256": array_hash(ARRAYS[8])
    }  # fmt: skip


def test_versions_of_what_is_not_installed_are_left_out():
    assert set(software_versions(("numpy", "no-such-package"))) == {"python", "numpy"}


def test_the_set_that_was_written_is_the_one_that_is_opened(tmp_path):
    made = write_galaxy_set(tmp_path / "set", ARRAYS, INDEX, about={})
    np.testing.assert_array_equal(GalaxySet.open(made.path).images(16), ARRAYS[16])
