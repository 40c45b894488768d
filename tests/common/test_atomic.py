"""Files appear whole or not at all."""

import json
import os
import threading

import pytest

from common.atomic import atomic_folder, atomic_path, write_json, write_text


def test_a_reader_sees_the_old_file_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with atomic_path(path) as partial:
        partial.write_text('{"new"')
        assert json.loads(path.read_text()) == {"old": 1}
        partial.write_text('{"new": 2}')
    assert json.loads(path.read_text()) == {"new": 2}
    assert os.listdir(tmp_path) == ["a.json"]


def test_what_raises_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise RuntimeError
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.txt", float("nan"))
    assert (tmp_path / "a.txt").read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_new_files_have_the_permissions_that_the_user_asked_for(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x", sync=True)
        (tmp_path / "b").write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_the_umask_of_other_threads_is_never_touched(tmp_path, monkeypatch):
    def touched(mask):
        raise AssertionError(f"umask({mask}) while other threads may create files")

    monkeypatch.setattr(os, "umask", touched)
    write_text(tmp_path / "a", "x")


def test_many_writers_of_one_file_leave_one_of_their_texts(tmp_path):
    texts = [str(i) * 100_000 for i in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts and os.listdir(tmp_path) == ["a"]


def test_a_folder_appears_complete_or_not_at_all(tmp_path):
    with atomic_folder(tmp_path / "above" / "set") as partial:
        (partial / "a").touch()
        assert not (tmp_path / "above" / "set").exists()
    assert os.listdir(tmp_path / "above" / "set") == ["a"] and os.listdir(tmp_path / "above") == ["set"]
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "other") as partial:
        (partial / "a").touch()
        raise RuntimeError
    with pytest.raises(OSError), atomic_folder(tmp_path / "above" / "set") as partial:
        (partial / "b").touch()
    assert os.listdir(tmp_path) == ["above"] and os.listdir(tmp_path / "above" / "set") == ["a"]


def test_names_that_are_no_utf8_are_written_as_escapes(tmp_path):
    write_json(tmp_path / "a.json", "g\udce4l", ascii_only=True)
    assert json.loads((tmp_path / "a.json").read_bytes()) == "g\udce4l"


def test_text_is_utf8_whatever_the_locale(tmp_path):
    write_json(tmp_path / "ä.json", "Größe")
    assert (tmp_path / "ä.json").read_bytes() == '"Größe"\n'.encode()
