"""How images are divided, in words and in files."""

from pathlib import Path

import numpy as np
import pytest

from study.tasks.split import DatasetSplit, PairSplit, load_rows

TRAIN, REFERENCE, FINAL = np.arange(1200), np.arange(1200, 1300), np.arange(1300, 1350)


def test_galaxies_in_words():
    split = DatasetSplit(Path("set"), TRAIN, REFERENCE, True, "hash")
    assert split.describe() == "set: 1,200 to train on, 100 as reference (held out of training)"
    assert "too small to hold any out" in DatasetSplit(Path("set"), TRAIN, TRAIN, False, "hash").describe()


@pytest.mark.parametrize(
    ("classes", "end"),
    [
        ((None, None), "50 at its end"),
        (("disc", None), "; trained on disc, judged on all"),
        ((None, "disc"), "; trained on all, judged on disc"),
    ],
)
def test_pairs_in_words(classes, end):
    split = PairSplit(Path("set"), TRAIN, REFERENCE, True, "hash", FINAL, classes)
    assert split.describe().startswith("set: 1,200 pairs to train on; held out: 100 judged during the search, 50 at")
    assert split.describe().endswith(end)


def test_workers_read_the_parts_that_were_written(tmp_path):
    split = PairSplit(Path("set"), TRAIN, REFERENCE, True, "hash", FINAL, (None, None))
    np.savez(tmp_path / "split.npz", **split.parts)
    for part, rows in (("train", TRAIN), ("reference", REFERENCE), ("final", FINAL)):
        assert (load_rows(tmp_path / "split.npz", part) == rows).all()
    np.savez(tmp_path / "galaxies.npz", **DatasetSplit(Path("set"), TRAIN, REFERENCE, True, "hash").parts)
    with pytest.raises(KeyError):
        load_rows(tmp_path / "galaxies.npz", "final")
