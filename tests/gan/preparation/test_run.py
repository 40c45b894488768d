"""Preparations that are interrupted, killed or damaged: they go on, or say why not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from common.atomic import write_json
from gan.data import GalaxySet
from gan.images.decode_settings import DecodeSettings
from gan.preparation import run as preparation_run
from tests.gan.preparing import check_against_pillow, run

TRANSFORM_16 = DecodeSettings(sizes=(16,)).as_dict()


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
