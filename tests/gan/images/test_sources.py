"""Sources: what is in them is listed in a fixed order and read in any; nothing leaves an archive but into memory."""

import io
import os
import zipfile

import h5py
import numpy as np
import pytest

from gan.data import DataError
from gan.images import sources
from gan.images.rejections import Refused
from gan.images.sources import Entry, open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 20, 20, 3), np.uint8)


def read_all(source):
    with source.reader() as read:
        return {entry.name: read(entry) for entry in source.entries()}


def refusal(source, name):
    entries = {entry.name: entry for entry in source.entries()}
    with source.reader() as read, pytest.raises(Refused) as caught:
        read(entries.get(name, Entry(name, "")))
    return caught.value.reason


def test_folders_are_searched_below_but_not_in_hidden_places(tmp_path):
    for name in ("b.jpg", "a/c.jpg", "a/.hidden.jpg", ".git/d.jpg", "out/64.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "empty.jpg").touch()
    source = open_source(tmp_path)
    assert [entry.name for entry in source.entries(skip=tmp_path / "out")] == ["a/c.jpg", "b.jpg", "empty.jpg"]
    assert refusal(source, "empty.jpg") == "empty"
    assert refusal(source, "gone.jpg") == "unreadable"


def test_a_changed_file_has_another_stamp(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"one")
    first = open_source(tmp_path).entries()
    os.utime(tmp_path / "a.jpg", (1, 1))
    assert open_source(tmp_path).entries() != first


def test_pipes_and_devices_do_not_stop_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    source = open_source(tmp_path)
    assert [refusal(source, entry.name) for entry in source.entries()] == ["unreadable"] * 3


def test_zips_are_read_in_memory_whatever_their_members_are_called(tmp_path):
    path = tmp_path / "in" / "images.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("b/1.jpg", "../../escape.jpg", "/absolute.jpg", "labels.csv", "__MACOSX/b/._1.jpg", "b/"):
            archive.writestr(name, name.encode() * 9)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("b/1.jpg", b"second")
        archive.writestr("empty.jpg", b"")
    source = open_source(path)
    names = [entry.name for entry in source.entries()]
    assert names == ["../../escape.jpg", "/absolute.jpg", "b/1.jpg", "b/1.jpg#6", "empty.jpg", "labels.csv"]
    with source.reader() as read:
        content = {entry.name: read(entry) for entry in source.entries() if entry.name != "empty.jpg"}
    assert content["b/1.jpg"] == b"b/1.jpg" * 9 and content["b/1.jpg#6"] == b"second"
    assert refusal(source, "empty.jpg") == "empty"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["images.zip", "in"]


def test_damaged_members_are_refused_one_by_one(tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"A" * 100)
        archive.writestr("b.jpg", b"B" * 100)
        archive.writestr("c.jpg", b"C" * 100)
    content = bytearray(path.read_bytes())
    content[content.index(b"B" * 100) + 3] = 0
    flags = content.rindex(b"PK\x01\x02") + 8
    content[flags] |= 1
    path.write_bytes(content)
    source = open_source(path)
    assert refusal(source, "b.jpg") == "unreadable"
    assert refusal(source, "c.jpg") == "encrypted"
    with source.reader() as read:
        assert read(source.entries()[0]) == b"A" * 100


def test_a_member_larger_than_accepted_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1 << 20)
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.jpg", bytes((1 << 20) + 1))
    assert path.stat().st_size < 1 << 13
    assert refusal(open_source(path), "big.jpg") == "too-large"


@pytest.mark.parametrize("kind", ["npy", "npy-channels-first", "npz", "h5", "h5-nested"])
def test_array_files(tmp_path, kind):
    first = np.moveaxis(IMAGES, -1, 1)
    key = None
    if kind.startswith("npy"):
        np.save(tmp_path / "i.npy", first if "first" in kind else IMAGES)
    elif kind == "npz":
        np.savez_compressed(tmp_path / "i.npz", images=IMAGES, ans=np.arange(5), other=np.arange(4))
    else:
        with h5py.File(tmp_path / "i.h5", "w") as file:
            file["data/images" if "nested" in kind else "images"] = IMAGES
            file["ans"] = np.arange(5)
            file["names"] = np.array([b"x"] * 5)
            if "nested" in kind:
                file["data/masks"], key = IMAGES, "data/images"
    source = open_source(next(tmp_path.iterdir()), key=key)
    content = read_all(source)
    assert list(content) == [f"{next(tmp_path.iterdir()).name}#{row:07d}" for row in range(5)]
    np.testing.assert_array_equal(np.stack(list(content.values())), IMAGES)
    if not kind.startswith("npy"):
        assert {name: list(values) for name, values in source.labels().items()} == {"ans": [0, 1, 2, 3, 4]}


def test_arrays_that_hold_no_or_several_sets_of_images(tmp_path):
    np.savez(tmp_path / "two.npz", a=IMAGES, b=IMAGES)
    np.save(tmp_path / "flat.npy", np.zeros((5, 20)))
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    for name, content in (("cut.npy", b"\x93NUMPY\x01\x00"), ("text.h5", b"hello"), ("text.npz", b"hello")):
        (tmp_path / name).write_bytes(content)
    for name, message in (
        ("two.npz", "several arrays of images: choose one with --key"),
        ("flat.npy", r"no array of images .*float64"),
        ("objects.npy", "cannot be read|no array"),
        ("cut.npy", "cannot be read"),
        ("text.h5", "cannot be read"),
        ("text.npz", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            open_source(tmp_path / name).entries()
    with pytest.raises(DataError, match="no dataset 'c'; it holds a "):
        open_source(tmp_path / "two.npz", key="c").entries()
    assert len(open_source(tmp_path / "two.npz", key="b").entries()) == 5


def test_no_source(tmp_path):
    with pytest.raises(DataError, match=r"does not exist: expected a folder, a \.zip"):
        open_source(tmp_path / "none")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="cannot be read as a zip"):
        open_source(tmp_path / "cut.zip").entries()


def test_a_single_file(tmp_path):
    (tmp_path / "g.fits").write_bytes(b"SIMPLE")
    assert read_all(open_source(tmp_path / "g.fits")) == {"g.fits": b"SIMPLE"}


def test_npz_headers_are_enough_to_list(tmp_path):
    stream = io.BytesIO()
    np.save(stream, IMAGES)
    with zipfile.ZipFile(tmp_path / "i.npz", "w") as archive:
        archive.writestr("images.npy", stream.getvalue()[:-50])  # cut short: listing works, reading is a refusal
    source = open_source(tmp_path / "i.npz")
    assert len(source.entries()) == 5
    assert refusal(source, "i.npz#0000000") == "unreadable"
