"""Readers that die, hang, never begin or cannot write: the image is refused alone, or the run says why it ends."""

import os
import signal
import time

from gan.data import GalaxySet
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import open_source
from gan.preparation import workers
from gan.preparation.run import prepare
from tests.gan.preparing import check_against_pillow, run

prepare_entry = workers.prepare_entry


def test_a_file_that_kills_or_stops_its_reader_is_refused_alone(folder, tmp_path, monkeypatch, galaxies):
    def hostile(read, entry, settings):
        if entry.name.endswith("107.jpg"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if entry.name.endswith("110.jpg"):
            time.sleep(3600)
        if entry.name.endswith("112.jpg") and not (tmp_path / "once").exists():
            (tmp_path / "once").touch()
            os._exit(1)  # an accident, not the file's fault
        return prepare_entry(read, entry, settings)

    monkeypatch.setattr(workers, "prepare_entry", hostile)
    settings = DecodeSettings(sizes=(16,))
    summary = prepare(open_source(folder), tmp_path / "set", settings=settings, jobs=2, time_limit=2.0)
    assert summary.refused == {"crashed": 1, "timeout": 1} and summary.images == 46
    galaxy_set = GalaxySet.open(tmp_path / "set")
    assert {entry["file"]: entry["reason"] for entry in galaxy_set.manifest["refused"]} == {
        "deep/107.jpg": "crashed",
        "110.jpg": "timeout",
    }
    check_against_pillow(galaxy_set, folder)


def test_workers_that_never_begin_end_the_run_in_words(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(workers, "_opened", lambda job: os._exit(3))
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 2
    assert "die before they begin (exit code 3)" in capsys.readouterr().err


def test_a_disk_that_cannot_be_written_is_said_once(folder, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workers, "write_part", full)
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error and len(error.splitlines()) == 1
