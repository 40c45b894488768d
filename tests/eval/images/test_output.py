"""Folders for results."""

from __future__ import annotations

import pytest

from eval.images.arrays import CollectionError
from eval.images.output import require_folder


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    require_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and not list((tmp_path / "a" / "b").iterdir())


def test_a_file_in_its_place_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(CollectionError, match=r"--out .*taken cannot be written"):
        require_folder(tmp_path / "taken")
