"""Which files are enhanced, and what their results are called."""

from __future__ import annotations

import pytest

from common.errors import InputError
from study.enhancing.files import plan


def test_results_are_named_after_their_images_and_two_of_one_name_stay_apart(tmp_path):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    for name in ("a.png", "a.jpg", "deep/b.fits.gz"):
        (source / name).write_bytes(b"")
    planned = plan(source, tmp_path / "out")
    results = {name: target.relative_to(tmp_path / "out").as_posix() for name, (_, target) in planned.items()}
    assert results["deep/b.fits.gz"] == "deep/b.fits"
    assert len(set(results.values())) == 3 and "a.png" in results.values()


def test_an_image_is_never_overwritten_by_its_result(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="would overwrite it"):
        plan(tmp_path / "a.png", tmp_path)


def test_a_folder_without_files_is_named(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=r"INPUT .*in"):
        plan(tmp_path / "in", tmp_path / "out")
