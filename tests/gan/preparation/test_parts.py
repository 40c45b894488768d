"""Finished work on disk: what a part names is there, what is damaged is done again."""

import json

import numpy as np
import pytest

from gan.data import image_hash
from gan.images.sources import Entry
from gan.preparation.parts import HEADER, Result, Store, Task, open_rows, rows_file, write_part

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
ENTRIES = [Entry(f"{i}.png", f"stamp {i}") for i in range(4)]


def results():
    """Three images, and one refused between them."""
    found = [Result(entry.name, entry.stamp, sha256=entry.name) for entry in ENTRIES]
    found[1].reason, found[1].detail = "empty", "file of zero bytes"
    for result, pixels in zip([found[0], *found[2:]], PIXELS, strict=True):
        result.hashes = [image_hash(pixels).hex()]
    return found


@pytest.fixture
def folder(tmp_path):
    write_part(tmp_path, Task(ENTRIES, 5), results(), {"8": PIXELS})
    return tmp_path


def opened(folder, **options):
    store = Store(folder, {"8": 8})
    store.read_parts(**options)
    return store


def test_results_and_pixels_are_found_again(folder):
    store = opened(folder, verify=True)
    assert len(store) == 4 and store.next_row == 9 and store.missing(ENTRIES) == []
    for entry, expected in zip([ENTRIES[0], *ENTRIES[2:]], PIXELS, strict=True):
        done = store.get(entry)
        np.testing.assert_array_equal(done.pixels[0][done.row], expected)
    assert store.get(ENTRIES[1]).result.reason == "empty"


def test_a_changed_file_is_missing(folder):
    changed = Entry(ENTRIES[0].name, "another stamp")
    assert opened(folder).missing([changed, ENTRIES[2]]) == [changed]


def test_rows_begin_behind_the_room_for_a_header(folder):
    assert rows_file(folder, "8").stat().st_size == HEADER + 8 * 8 * 8 * 3
    assert (open_rows(folder, "8", 8)[:5] == 0).all()
    assert open_rows(folder, "16", 16).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("damage", ["cut", "other format", "other pixels", "no pixels"])
def test_damaged_parts_are_deleted_and_done_again(folder, damage):
    part = next(folder.glob("*.part"))
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:-3])
    elif damage == "other format":
        part.write_text(json.dumps({**json.loads(part.read_text()), "format": 0}))
    elif damage == "other pixels":
        content = bytearray(rows_file(folder, "8").read_bytes())
        content[-1] ^= 1
        rows_file(folder, "8").write_bytes(content)
    else:
        rows_file(folder, "8").unlink()
    assert opened(folder, verify=True).missing(ENTRIES) == ENTRIES
    assert not part.exists()


def test_what_a_killed_process_left_is_taken_away(folder):
    (folder / "half.123").touch()
    (folder / ".0a1b-half.part").write_text("{")
    assert len(opened(folder)) == 4
    assert sorted(path.suffix for path in folder.iterdir()) == [".npy", ".part"]


def test_parts_that_come_later_are_taken_in(folder):
    store = opened(folder)
    more = Entry("9.png", "new")
    write_part(folder, Task([more], 9), [Result("9.png", "new", reason="empty")], {})
    store.read_parts()
    assert store.get(more).result.reason == "empty" and store.next_row == 10
