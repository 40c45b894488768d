"""Pairs: two folders by name, or a table; a side that is missing is refused in its turn."""

import math

import pandas as pd
import pytest

from gan.data import DataError
from gan.images.pair_sources import open_folders, open_pair_table
from gan.images.rejections import Refused


@pytest.fixture
def folders(tmp_path):
    for side, names in (("a", ("x/1.jpg", "2.fits.gz", "3.png")), ("b", ("x/1.png", "2.jpg", "4.png"))):
        for name in names:
            (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / side / name).write_bytes(f"{side} {name}".encode())
    return tmp_path / "a", tmp_path / "b"


def read(source, name):
    entry = next(entry for entry in source.entries() if entry.name == name)
    with source.reader() as reader:
        return reader(entry)


def test_files_of_one_name_are_pairs_whatever_their_suffixes(folders):
    source = open_folders(*folders)
    assert [entry.name for entry in source.entries()] == ["2.fits.gz", "3.png", "4.png", "x/1.jpg"]
    pair = read(source, "2.fits.gz")
    assert (pair.input, pair.target) == (b"a 2.fits.gz", b"b 2.jpg") and math.isnan(pair.zoom)
    for name, side in (("3.png", "target"), ("4.png", "input")):
        with pytest.raises(Refused) as caught:
            read(source, name)
        assert caught.value.reason == "no-counterpart" and side in caught.value.detail


def test_the_stamp_follows_both_files(folders):
    before = {entry.name: entry.stamp for entry in open_folders(*folders).entries()}
    (folders[1] / "2.jpg").write_bytes(b"longer than it was")
    after = {entry.name: entry.stamp for entry in open_folders(*folders).entries()}
    assert [name for name in before if before[name] != after[name]] == ["2.fits.gz"]


def test_names_that_are_there_twice_or_in_one_folder_only_are_refused(folders):
    (folders[0] / "3.jpg").touch()
    with pytest.raises(DataError, match=r"has both 3\.(jpg|png) and 3\.(jpg|png)"):
        open_folders(*folders)
    with pytest.raises(DataError, match="no file name is in both"):
        open_folders(folders[0] / "x", folders[1])
    with pytest.raises(DataError, match="two folders"):
        open_folders(folders[0] / "3.png", folders[1])


def test_a_table_names_files_scales_and_further_columns(folders, tmp_path):
    rows = pd.DataFrame({"input": ["3.png", "3.png", None], "target": ["3.png", "3.png", None],
                         "zoom": [1.5, None, 1.0], "class": ["s", "e", "s"]})  # fmt: skip
    rows.to_csv(tmp_path / "t.csv", index=False)
    source = open_pair_table(tmp_path / "t.csv", root=folders[0])
    assert [entry.name for entry in source.entries()] == ["3.png", "3.png#2", "row 3"]
    assert read(source, "3.png").zoom == 1.5 and math.isnan(read(source, "3.png#2").zoom)
    assert source.labels()["class"].tolist() == ["s", "e", "s"]
    with pytest.raises(Refused, match="no-counterpart"):
        read(source, "row 3")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": ("input", "deep")}, "no column 'deep'"),
        ({"zoom": "ratio"}, "no column 'ratio'"),
        ({"root": "nowhere"}, "is not a folder"),
        ({"zoom": "size"}, "size = 99"),
    ],
)
def test_tables_that_do_not_say_it_are_refused(tmp_path, options, said):
    pd.DataFrame({"input": ["a"], "target": ["b"], "size": [99]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=said):
        open_pair_table(tmp_path / "t.csv", **options)
