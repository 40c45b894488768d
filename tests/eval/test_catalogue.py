"""Catalogue files and their cache: whole, typed, made again when damaged."""

import numpy as np
import pytest

from eval.catalogue import COLUMNS, content_key, read_catalogue, write_catalogue
from eval.measure import cached_catalogue, measure
from eval.settings import MeasurementSettings


@pytest.fixture
def images():
    y, x = np.mgrid[:64, :64] - 31.5
    rng = np.random.default_rng(0)
    stack = [40 + 180 * np.exp(-np.hypot(x, y / q) / 5) + rng.normal(0, 1, x.shape) for q in (0.4, 0.6, 0.8)]
    stack.append(np.full_like(x, 9.0))
    return np.repeat(np.stack(stack).clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


@pytest.mark.parametrize("suffix", [".parquet", ".ecsv"])
def test_a_catalogue_comes_back_as_it_was_written(images, tmp_path, suffix):
    rows = measure(images, ids=["a", "b", "c", "flat"])
    path = write_catalogue(rows, tmp_path / "deep" / f"galaxies{suffix}")
    again = read_catalogue(path)
    assert tuple(again.columns) == COLUMNS and again["id"].tolist() == ["a", "b", "c", "flat"]
    assert again["status"].tolist() == rows["status"].tolist()
    assert np.array_equal(again["flux"], rows["flux"], equal_nan=True)
    assert again.attrs["measurement"] == rows.attrs["measurement"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(images, tmp_path, monkeypatch):
    rows = measure(images)
    path = write_catalogue(rows, tmp_path / "galaxies.parquet")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("eval.catalogue._write_parquet", fail)
    with pytest.raises(OSError, match="disk full"):
        write_catalogue(rows[:1], path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"\.parquet or \.ecsv"):
        read_catalogue(tmp_path / "galaxies.csv")
    with pytest.raises(FileNotFoundError, match="absent"):
        read_catalogue(tmp_path / "absent.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"not a table")
    with pytest.raises(ValueError, match=r"bad\.parquet"):
        read_catalogue(tmp_path / "bad.parquet")


def test_content_keys_follow_pixels_shape_type_settings_and_engine(images):
    settings = MeasurementSettings()
    changed = images.copy()
    changed[2, 3, 4, 1] ^= 1
    keys = [
        content_key(images, settings, "fast"),
        content_key(changed, settings, "fast"),
        content_key(images[:3], settings, "fast"),
        content_key(images.astype(np.int16), settings, "fast"),
        content_key(images, MeasurementSettings(sma0=25.0), "fast"),
        content_key(images, settings, "photutils"),
    ]
    assert len(set(keys)) == len(keys)
    assert content_key(images[::-1][::-1], settings, "fast") == keys[0]


def test_a_collection_is_measured_once_and_again_when_the_file_is_damaged(images, tmp_path):
    measured = []

    def get(**options):
        return cached_catalogue(images, tmp_path, progress=lambda done, total: measured.append(done), **options)

    first = get(ids=["a", "b", "c", "d"])
    assert measured == [1, 2, 3, 4]
    second = get()
    assert len(measured) == 4 and second["id"].tolist() == [0, 1, 2, 3]
    assert np.array_equal(first["flux"], second["flux"], equal_nan=True)
    assert second.attrs["measurement"]["engine"] == "fast"
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(get()["flux"], first["flux"], equal_nan=True)
    assert len(measured) == 8 and read_catalogue(path)["status"].tolist() == first["status"].tolist()


def test_units_are_written_with_the_table(tmp_path):
    from astropy.table import Table

    write_catalogue(measure(np.zeros((1, 16, 16, 3), np.uint8)), tmp_path / "c.ecsv")
    table = Table.read(tmp_path / "c.ecsv", format="ascii.ecsv")
    names = ("flux", "semi_major_axis", "position_angle", "converged_flux")
    assert [str(table[name].unit) for name in names] == ["adu", "pix", "deg", "adu"]
    assert table["ellipticity"].unit is None
