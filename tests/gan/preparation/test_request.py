"""What is asked for against what the folder holds: built upon, done already, or in the way."""

import numpy as np
import pandas as pd
import pytest

from gan.data import DataError
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import open_source
from gan.preparation.makers import Maker
from gan.preparation.request import Request
from gan.preparation.run import prepare
from tests.gan.preparing import jpeg


@pytest.fixture
def source(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(3):
        image = np.random.default_rng(i).integers(0, 256, (20, 20, 3), np.uint8)
        (tmp_path / "in" / f"{i}.png").write_bytes(jpeg(image, "PNG"))
    return tmp_path / "in"


@pytest.fixture
def standing(source, tmp_path):
    prepare(open_source(source), tmp_path / "set", settings=DecodeSettings(sizes=(8,)), jobs=1)
    return tmp_path / "set"


def ask(source, out, *, sizes=(8,), table=None, label=None, replace=False):
    request = Request(open_source(source), out, Maker(DecodeSettings(sizes=sizes)), table, None, label, replace)
    request.look()
    return request


def test_the_same_again_is_done(source, standing):
    assert ask(source, standing).is_done()


def test_a_new_file_or_a_table_is_built_upon(source, standing, tmp_path):
    pd.DataFrame({"file": ["0.png"], "kind": ["spiral"]}).to_csv(tmp_path / "t.csv", index=False)
    labelled = ask(source, standing, table=tmp_path / "t.csv", label="kind")
    assert labelled.before is not None and not labelled.is_done()
    (source / "3.png").write_bytes((source / "0.png").read_bytes())
    more = ask(source, standing)
    assert more.before is not None and not more.is_done() and len(more.entries) == 4


def test_other_settings_are_in_the_way_unless_it_is_replaced(source, standing):
    with pytest.raises(DataError, match="holds another galaxy set"):
        ask(source, standing, sizes=(16,))
    assert ask(source, standing, sizes=(16,), replace=True).before is None


def test_a_folder_of_something_else_is_never_written_to(source, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "text.txt").touch()
    with pytest.raises(DataError, match=r"not a galaxy set \(it holds text\.txt\)"):
        ask(source, tmp_path / "mine", replace=True)


def test_labels_that_are_nowhere_are_named(source, tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(DataError, match="no such column; there are: none"):
        ask(source, tmp_path / "new", label="kind")
    with pytest.raises(DataError, match="cannot be read"):
        ask(source, tmp_path / "new", table=tmp_path / "absent.csv")
