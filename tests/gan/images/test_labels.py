"""Labels: joined by whichever column names the images, never by position."""

import pandas as pd
import pytest

from gan.data import DataError
from gan.images.labels import join_table, read_table

INDEX = pd.DataFrame({"id": ["100", "101", "x"], "source": ["a/100.jpg", "a/101.jpg", "b/x.png"]})


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("path", ["b/x.png", "a/100.jpg"], "source"),
        ("file", ["x.png", "100.jpg"], "file"),
        ("GalaxyID", ["x", "100"], "stem"),
    ],
)
def test_the_naming_column_is_found(column, values, kind):
    table = pd.DataFrame({"weight": [0.5, 0.25], column: values, "id": ["q", "r"], "label": ["spiral", "smooth"]})
    joined, about = join_table(INDEX, table)
    assert about == {"key": column, "kind": kind, "matched": 2}
    assert list(joined["id"]) == ["100", "101", "x"]
    assert joined["label"].tolist()[::2] == ["smooth", "spiral"] and joined["label"].isna().tolist() == [
        False,
        True,
        False,
    ]
    assert joined["table_id"].tolist()[::2] == ["r", "q"]


def test_numbers_name_images_too():
    joined, about = join_table(INDEX, pd.DataFrame({"GalaxyID": [101, 7, 100], "p": [1.0, 2.0, 3.0]}))
    assert about["matched"] == 2 and joined["p"].tolist()[:2] == [3.0, 1.0]


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="names any of the images"):
        join_table(INDEX, pd.DataFrame({"a": ["1"], "b": [0.5]}))
    with pytest.raises(DataError, match="names none of the images"):
        join_table(INDEX, pd.DataFrame({"a": ["1"], "file": ["x.png"]}), key="a")
    with pytest.raises(DataError, match=r"'x\.png' twice"):
        join_table(INDEX, pd.DataFrame({"file": ["x.png", "x.png"]}))


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("file,label\nx.png,spiral\n")
    (tmp_path / "t.tsv").write_text("file\tlabel\nx.png\tspiral\n")
    assert read_table(tmp_path / "t.csv").equals(read_table(tmp_path / "t.tsv"))
    with pytest.raises(DataError, match="has no column 'name'; it has file, label"):
        read_table(tmp_path / "t.csv", "name")
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    for name, content in (
        ("e.csv", b""),
        ("h.csv", b"a,b\n"),
        ("b.parquet", b"PAR1"),
        ("u.csv", b"\xff\xfe\x00a,b\n1"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            read_table(tmp_path / name)
