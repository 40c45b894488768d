"""`python -m gan.prepare` interrupted, killed, damaged, with readers that die: it goes on, or says why not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from common.atomic import write_json
from gan.data import GalaxySet
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import open_source
from gan.preparation import run as preparation_run
from gan.preparation import workers
from gan.preparation.run import prepare
from tests.gan.preparing import check_against_pillow, run

TRANSFORM_16 = DecodeSettings(sizes=(16,)).as_dict()


def slowly(read, entry, settings, seconds=0.04):
    time.sleep(seconds)
    return prepare_entry(read, entry, settings)


prepare_entry = workers.prepare_entry
SLOW = (
    "import sys, time; import gan.preparation.workers as w; real = w.prepare_entry\n"
    "def slowly(*a): time.sleep(0.05); return real(*a)\n"
    "w.prepare_entry = slowly; from gan.prepare import main; sys.exit(main(sys.argv[1:]))"
)


def start_slowly(folder, out):
    arguments = [sys.executable, "-c", SLOW, str(folder), "--out", str(out), "--sizes", "16", "--jobs", "2"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((out / ".prepare" / "parts").glob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_and_run_again_it_goes_on(folder, tmp_path, capsys, number):
    out = tmp_path / "set"
    process = start_slowly(folder, out)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "run the same command again" in error and "Traceback" not in error
    parts = list((out / ".prepare" / "parts").glob("*.part"))
    assert parts and not (out / "manifest.json").exists()
    (out / ".prepare" / "parts" / "half.123").write_bytes(b"left by a killed worker")
    (out / ".prepare" / "parts" / ".0a1b2c-half.part").write_text('{"format": 1, "row": 0, ')
    assert run(folder, "--out", out, "--sizes", 16) == 0
    assert "went on from an interrupted run" in capsys.readouterr().out
    galaxy_set = GalaxySet.open(out)
    assert len(galaxy_set) == 48 and not (out / ".prepare").exists()
    galaxy_set.verify()
    check_against_pillow(galaxy_set, folder)


def test_an_unfinished_preparation_with_other_settings_is_not_mixed_in(folder, tmp_path, capsys):
    out = tmp_path / "set"
    process = start_slowly(folder, out)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert run(folder, "--out", out, "--sizes", 32) == 2
    assert "unfinished preparation" in capsys.readouterr().err
    assert run(folder, "--out", out, "--sizes", 32, "--replace") == 0
    assert GalaxySet.open(out).sizes == (32,)


@pytest.mark.parametrize("damage", ["part", "rows", "end of the rows"])
def test_damaged_work_is_done_again(folder, tmp_path, damage):
    out = tmp_path / "set"
    process = start_slowly(folder, out)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    if damage == "part":
        part = next((out / ".prepare" / "parts").glob("*.part"))
        part.write_bytes(part.read_bytes()[:-10])
    else:
        rows = out / ".prepare" / "parts" / "16.npy"
        content = bytearray(rows.read_bytes())
        content[128] ^= 1
        rows.write_bytes(content[:-5] if damage == "end of the rows" else content)
    assert run(folder, "--out", out, "--sizes", 16) == 0
    GalaxySet.open(out).verify()
    check_against_pillow(GalaxySet.open(out), folder)
    assert len(GalaxySet.open(out)) == 48


def test_killed_between_the_last_image_and_the_manifest(folder, tmp_path, monkeypatch, capsys):
    def killed(*_, **__):
        raise KeyboardInterrupt

    out = tmp_path / "set"
    monkeypatch.setattr(
        preparation_run, "write_json", lambda path, value, **_: killed() if path.name == "manifest.json" else None
    )
    assert run(folder, "--out", out, "--sizes", 16) == 130
    monkeypatch.undo()
    write_json(out / ".prepare" / "plan.json", {"source": str(folder), "key": None, "transform": TRANSFORM_16})
    capsys.readouterr()
    assert run(folder, "--out", out, "--sizes", 16) == 0
    assert "48 files were done already" in capsys.readouterr().out
    GalaxySet.open(out).verify()
    check_against_pillow(GalaxySet.open(out), folder)


def test_killed_while_publishing_it_finishes_that_first(folder, tmp_path):
    out = tmp_path / "set"
    assert run(folder, "--out", out, "--sizes", 16) == 0
    expected = GalaxySet.open(out).content_hash
    (out / ".prepare" / "publish").mkdir(parents=True)
    for name in ("manifest.json", "index.parquet"):
        os.replace(out / name, out / ".prepare" / "publish" / name)
    before = (out / "16.npy").stat().st_mtime_ns
    assert run(folder, "--out", out, "--sizes", 16) == 0
    assert GalaxySet.open(out).content_hash == expected and (out / "16.npy").stat().st_mtime_ns == before


def test_two_at_once_do_not_mix(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(preparation_run, "LOCK_PATIENCE", 0.2)
    process = start_slowly(folder, tmp_path / "set")
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 2
    assert "another preparation is writing" in capsys.readouterr().err
    process.communicate(timeout=60)
    assert process.returncode == 0


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
