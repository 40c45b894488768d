"""Pair sets: written whole, opened when sound, divided by galaxy."""

import numpy as np
import pandas as pd
import pytest

from gan.data import DataError, GalaxySet
from gan.datasets.pair_set import PairSet, write_pairs


def arrays(n=12, size=16, scale=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (n, side, side, 3), np.uint8) for side in (size, size * scale)]


def index(n=12, **columns):
    return pd.DataFrame({"id": [f"g{i}" for i in range(n)], "source": [f"g{i}.png" for i in range(n)], **columns})


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
