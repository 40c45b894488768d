"""From finished parts to a set: duplicates out, ids unique, files moved the manifest last."""

import json

import numpy as np
import pytest

from gan.data import GALAXY_SET, DataError, GalaxySet, image_hash
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import Entry
from gan.preparation.assemble import choose, publish, reclaim, refusals, write_arrays
from gan.preparation.makers import Maker
from gan.preparation.parts import Result, Store, Task, open_rows, write_part

MAKER = Maker(DecodeSettings(sizes=(8,)))


def images(*levels):
    return np.stack([np.full((8, 8, 3), level, np.uint8) for level in levels])


def stored(folder, names, levels, refused=()):
    """A store with one image per name, but for the refused."""
    folder.mkdir()
    kept = [(name, level) for name, level in zip(names, levels, strict=True) if name not in refused]
    pixels = images(*[level for _, level in kept])
    hashes = {name: image_hash(image).hex() for (name, _), image in zip(kept, pixels, strict=True)}
    results = [
        Result(name, "s", reason="damaged", detail="why")
        if name in refused
        else Result(name, "s", sha256=f"bytes of {name}", hashes=[hashes[name]], width=9, height=9)
        for name in names
    ]
    entries = [Entry(name, "s") for name in names]
    write_part(folder, Task(entries, 0), results, {"8": pixels})
    store = Store(folder, MAKER.layout)
    store.read_parts()
    return entries, store


def test_the_first_of_duplicates_stays_and_rows_are_counted(tmp_path):
    entries, store = stored(tmp_path / "parts", ["a.png", "b.png", "c.png", "d.png"], [1, 2, 1, 4], {"b.png"})
    index, ledger, kept = choose(entries, store)
    assert index["id"].tolist() == ["a", "d"] and [done.result.name for done in kept] == ["a.png", "d.png"]
    assert ledger["row"].tolist() == [0, -1, -1, 1]
    assert refusals(ledger)["refused_counts"] == {"damaged": 1, "duplicate-pixels": 1}
    assert "a.png" in refusals(ledger)["refused"][1]["detail"]


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["x/a.png", "y/b.fits.gz"], ["a", "b"]),
        (["x/a.png", "y/a.png"], ["x/a", "y/a"]),
        (["x/a.png", "x/a.jpg"], ["x/a.png", "x/a.jpg"]),
    ],
)
def test_ids_are_the_shortest_names_that_differ(tmp_path, names, ids):
    index, _, _ = choose(*stored(tmp_path / "parts", names, [1, 2]))
    assert index["id"].tolist() == ids


def test_lost_work_is_said(tmp_path):
    entries, store = stored(tmp_path / "parts", ["a.png"], [1])
    with pytest.raises(DataError, match=r"the work on b\.png was lost"):
        choose([*entries, Entry("b.png", "s")], store)


@pytest.mark.parametrize("levels", [[1, 2, 3], [1, 1, 3]])  # rows as they are, and with one left out
def test_arrays_hold_the_images_that_were_kept(tmp_path, levels):
    entries, store = stored(tmp_path / "parts", ["a.png", "b.png", "c.png"], levels)
    (tmp_path / "new").mkdir()
    _, _, kept = choose(entries, store)
    described = write_arrays(tmp_path / "new", kept, store, MAKER)
    found = np.load(tmp_path / "new" / "8.npy")
    np.testing.assert_array_equal(found, images(*dict.fromkeys(levels)))
    assert described["count"] == len(found)
    assert (tmp_path / "parts" / "8.npy").exists() == (len(found) == 2)


def test_rows_that_were_moved_are_moved_back(tmp_path):
    entries, store = stored(tmp_path / "parts", ["a.png", "b.png"], [1, 2])
    (tmp_path / "new").mkdir()
    write_arrays(tmp_path / "new", choose(entries, store)[2], store, MAKER)
    reclaim(tmp_path / "new", tmp_path / "parts")
    np.testing.assert_array_equal(open_rows(tmp_path / "parts", "8", 8), images(1, 2))


def test_publishing_replaces_the_set_and_takes_away_sizes_it_no_longer_has(tmp_path):
    ready = tmp_path / ".prepare" / "publish"
    ready.mkdir(parents=True)
    np.save(tmp_path / "16.npy", images(0))
    np.save(ready / "8.npy", images(1, 2))
    (ready / "index.parquet").touch()
    manifest = {"format": "galaxy-set", "version": 1, "content_hash": "", "count": 2, "channels": 3,
                "arrays": {"8": {"shape": [2, 8, 8, 3]}}}  # fmt: skip
    (ready / "manifest.json").write_text(json.dumps(manifest))
    publish(tmp_path, GALAXY_SET)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["8.npy", "index.parquet", "manifest.json"]
    np.testing.assert_array_equal(GalaxySet.open(tmp_path).images(8), images(1, 2))
    publish(tmp_path, GALAXY_SET)  # nothing is ready: nothing happens
