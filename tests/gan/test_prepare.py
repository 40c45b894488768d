"""`python -m gan.prepare` as a user runs it: files of every kind, good and bad, and what stands in `--out` already."""

import io
import json
import subprocess
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan.data import GalaxySet
from gan.datasets.synthetic import draw
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import open_source
from gan.preparation.run import prepare
from tests.gan.preparing import SIDE, check_against_pillow, command, everything, jpeg, run


def test_a_folder_becomes_a_set_in_order_of_names(folder, tmp_path, capsys):
    assert run(folder, "--out", tmp_path / "set", "--sizes", 32, 16) == 0
    galaxy_set = GalaxySet.open(tmp_path / "set")
    assert galaxy_set.sizes == (16, 32) and len(galaxy_set) == 48
    assert list(galaxy_set.index["source"]) == sorted(galaxy_set.index["source"])
    assert galaxy_set.index["id"].tolist()[:2] == ["100", "102"]
    assert set(galaxy_set.index["width"]) == {SIDE}
    check_against_pillow(galaxy_set, folder)
    galaxy_set.verify()
    manifest = galaxy_set.manifest
    assert manifest["source"]["path"] == str(folder) and manifest["transform"]["filter"] == "nearest"
    assert manifest["refused"] == [] and "pillow" in manifest["software"]
    assert not (tmp_path / "set" / ".prepare").exists()
    assert "48 images of 48 files, made in" in capsys.readouterr().out


def test_run_again_unchanged_does_nothing_and_says_so(folder, tmp_path, capsys):
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 0
    before = everything(tmp_path / "set")
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 0
    assert everything(tmp_path / "set") == before
    assert "unchanged: nothing to do" in capsys.readouterr().out


def bad_files(galaxies):
    good = galaxies["100.jpg"]
    png = jpeg(np.asarray(Image.open(io.BytesIO(galaxies["101.jpg"]))), "PNG")
    grey = jpeg(np.asarray(Image.open(io.BytesIO(good)))[..., 0], "PNG")
    return {
        "empty.jpg": (b"", "empty"),
        "cut.jpg": (good[:700], "truncated"),
        "text.jpg": (b"not a galaxy", "not-an-image"),
        "grey.png": (grey, "wrong-mode"),
        "same.jpg": (good, "duplicate-file"),
        "same_pixels.png": (png, "duplicate-pixels"),
        "small.png": (jpeg(np.zeros((12, 12, 3), np.uint8), "PNG"), "too-small"),
        "wide.png": (jpeg(np.zeros((40, 50, 3), np.uint8), "PNG"), "not-square"),
        "huge.png": (jpeg(np.zeros((130, 130, 3), np.uint8), "PNG"), "too-large"),
        "inner.zip": (b"PK\x03\x04" + bytes(30), "nested-archive"),
    }


def test_bad_files_are_refused_one_by_one_counted_and_listed(folder, tmp_path, galaxies, capsys):
    bad = bad_files(galaxies)
    (folder / "zz").mkdir()
    for name, (content, _) in bad.items():
        (folder / "zz" / name).write_bytes(content)
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16, "--max-pixels", 129 * 129) == 0
    galaxy_set = GalaxySet.open(tmp_path / "set")
    assert len(galaxy_set) == 48
    check_against_pillow(galaxy_set, folder)
    galaxy_set.verify()
    refused = {entry["file"]: entry["reason"] for entry in galaxy_set.manifest["refused"]}
    assert refused == {f"zz/{name}": why for name, (_, why) in bad.items()}
    ledger = pd.read_parquet(tmp_path / "set" / "files.parquet")
    assert len(ledger) == 58 and (ledger["row"] == -1).sum() == 10
    shown = capsys.readouterr().out
    assert "48 images of 58 files" in shown and "10 files refused" in shown
    assert all(why in shown for _, why in bad.values())
    duplicate = next(entry for entry in galaxy_set.manifest["refused"] if entry["file"] == "zz/same.jpg")
    assert duplicate["detail"] == "the same bytes as 100.jpg"


def test_nothing_usable_leaves_nothing(tmp_path, galaxies, capsys):
    (tmp_path / "in").mkdir()
    assert run(tmp_path / "in", "--out", tmp_path / "set") == 2
    assert "holds no files" in capsys.readouterr().err
    (tmp_path / "in" / "a.txt").write_text("words")
    (tmp_path / "in" / "b.jpg").touch()
    assert run(tmp_path / "in", "--out", tmp_path / "set") == 2
    message = capsys.readouterr().err
    assert "no usable image among the 2 files" in message and "1 not-an-image" in message and "1 empty" in message
    assert not (tmp_path / "set").exists()


def test_new_changed_and_gone_files(folder, tmp_path, galaxies, capsys):
    out = tmp_path / "set"
    (folder / "x_dup.jpg").write_bytes(galaxies["100.jpg"])
    assert run(folder, "--out", out, "--sizes", 16, 32) == 0
    assert len(GalaxySet.open(out)) == 48
    (folder / "100.jpg").unlink()  # its duplicate takes its place
    (folder / "102.jpg").write_bytes(galaxies["104.jpg"])  # becomes the first of two
    extra, _ = draw(2, size=SIDE, seed=9)
    (folder / "aa.jpg").write_bytes(jpeg(extra[0]))
    capsys.readouterr()
    assert run(folder, "--out", out, "--sizes", 16, 32) == 0
    shown = capsys.readouterr().out
    assert "updated" in shown and "1 files are new, 1 changed, 1 gone" in shown
    galaxy_set = GalaxySet.open(out)
    galaxy_set.verify()
    check_against_pillow(galaxy_set, folder)
    assert {"aa.jpg", "102.jpg", "x_dup.jpg"} < set(galaxy_set.index["source"])
    assert [entry["file"] for entry in galaxy_set.manifest["refused"]] == ["104.jpg"]
    fresh = tmp_path / "fresh"
    assert run(folder, "--out", fresh, "--sizes", 16, 32) == 0
    assert GalaxySet.open(fresh).content_hash == galaxy_set.content_hash


def test_another_set_is_not_overwritten_unless_asked(folder, tmp_path, capsys):
    out = tmp_path / "set"
    assert run(folder, "--out", out, "--sizes", 16) == 0
    before = everything(out)
    for other in (["--sizes", 32], ["--sizes", 16, "--filter", "box"]):
        assert run(folder, "--out", out, *other) == 2
        assert "holds another galaxy set" in capsys.readouterr().err
    assert run(folder / "deep", "--out", out, "--sizes", 16) == 2
    assert everything(out) == before
    assert run(folder, "--out", out, "--sizes", 32, "--replace") == 0
    assert GalaxySet.open(out).sizes == (32,) and not (out / "16.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--out", "set"], "nowhere does not exist"),
        (["in", "--out", "set", "--filter", "sinc"], "filter = 'sinc' does not work: expected one of nearest"),
        (["in", "--out", "set", "--sizes", "4"], "sizes = [4]"),
        (["in", "--out", "set", "--jobs", "0"], "jobs = 0"),
        (["in", "--out", "in/100.jpg"], "cannot be written"),
        (["in", "--out", "full"], "is not empty and not a galaxy set (it holds mine.txt)"),
        (["in", "--out", "set", "--table", "none.csv"], "none.csv cannot be read"),
        (["in", "--out", "set", "--table", "t.csv", "--table-key", "b"], "no column 'b'"),
    ],
)
def test_wrong_input_is_one_message_and_leaves_nothing(folder, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "t.csv").write_text("a,c\n1,2\n")
    before = everything(tmp_path)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert everything(tmp_path).keys() == before.keys()


def test_a_zip_gives_the_same_set_as_its_folder(folder, tmp_path, galaxies):
    archive = tmp_path / "galaxies.zip"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("labels.csv", "id,label\n100,spiral\n")
        for name, content in sorted(galaxies.items(), reverse=True):
            target.writestr(f"images/{name}", content)
    assert run(archive, "--out", tmp_path / "zip", "--sizes", 16) == 0
    zipped = GalaxySet.open(tmp_path / "zip")
    assert [entry["file"] for entry in zipped.manifest["refused"]] == ["labels.csv"]
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 0
    by_name = dict(
        zip(GalaxySet.open(tmp_path / "set").index["id"], GalaxySet.open(tmp_path / "set").images(16), strict=True)
    )
    for name, image in zip(zipped.index["id"], zipped.images(16), strict=True):
        np.testing.assert_array_equal(image, by_name[name])


def test_arrays_bring_their_labels(tmp_path):
    images, _ = draw(12, size=SIDE)
    images[7] = images[3]
    with h5py.File(tmp_path / "galaxies.h5", "w") as file:
        file["images"], file["ans"] = images, np.arange(12)
    assert run(tmp_path / "galaxies.h5", "--out", tmp_path / "set", "--sizes", SIDE) == 0
    galaxy_set = GalaxySet.open(tmp_path / "set")
    assert list(galaxy_set.index["ans"]) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    np.testing.assert_array_equal(galaxy_set.images(SIDE), np.delete(images, 7, 0))


def test_tables_are_joined_and_kept(folder, tmp_path, capsys):
    table = tmp_path / "labels.csv"
    table.write_text("GalaxyID,spiral\n103,0.9\n100,0.1\n999,0.5\n")
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16, "--table", table) == 0
    index = GalaxySet.open(tmp_path / "set").index.set_index("id")
    assert index.loc["103", "spiral"] == 0.9 and index["spiral"].notna().sum() == 2
    before = everything(tmp_path / "set")
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 0
    assert everything(tmp_path / "set") == before
    table.write_text("GalaxyID,spiral\n103,0.7\n")
    capsys.readouterr()
    assert run(folder, "--out", tmp_path / "set", "--sizes", 16) == 0
    assert "the source is unchanged; the labels are not" in capsys.readouterr().out
    assert GalaxySet.open(tmp_path / "set").index.set_index("id").loc["103", "spiral"] == 0.7


def test_the_progress_ends_at_all_files(folder, tmp_path):
    seen = []
    settings = DecodeSettings(sizes=(16,))
    prepare(open_source(folder), tmp_path / "set", settings=settings, progress=lambda *now: seen.append(now))
    assert seen[-1] == (48, 48, 0)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def test_the_command_as_typed(folder, tmp_path):
    finished = subprocess.run(command(folder, "--out", tmp_path / "set"), capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert "48 images of 48 files" in finished.stdout and finished.stderr == ""
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["count"] == 48
    wrong = subprocess.run(command(folder), capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and "--out" in wrong.stderr
