"""A study is found by its name or its folder."""

from __future__ import annotations

import pytest

from common.errors import InputError
from study.results.find import find_study, study_folder


@pytest.fixture
def shelf(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.yaml").touch()
    return tmp_path


def test_by_name_and_by_folder(shelf, tmp_path):
    assert find_study("a", shelf) == shelf / "a"
    assert find_study(str(shelf / "b"), tmp_path / "nowhere") == shelf / "b"
    assert study_folder("c", shelf) is None


def test_a_wrong_name_lists_the_studies_there(shelf, tmp_path):
    with pytest.raises(InputError, match=r"'c': not found; studies there: a, b$"):
        find_study("c", shelf)
    with pytest.raises(InputError, match=r"studies there: a, b$"):
        find_study(str(shelf), tmp_path / "a")
    with pytest.raises(InputError, match=r"no study is in .*; say where with --results DIR"):
        find_study("c", shelf / "a")
