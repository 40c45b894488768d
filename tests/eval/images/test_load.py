"""Every kind of collection gives the same images; every broken one says what is wrong."""

import io
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from eval.images.load import CollectionError, load_images

GALAXIES = Path(__file__).resolve().parents[3].parent / "shared" / "galaxies"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """(7, 32, 32, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "png")
    return buffer.getvalue()


def write_folder(path: Path, images: np.ndarray) -> Path:
    for index, image in enumerate(images):
        file = path / f"{index:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    return path


def write_hdf5(path: Path, images: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["images"], file["ids"] = images, [f"g{index}" for index in range(len(images))]
        file["ra"] = np.zeros(len(images))
    return path


WRITERS = {
    "folder of PNG": lambda root, images: write_folder(root / "png", images),
    "npy": lambda root, images: np.save(root / "a.npy", images) or root / "a.npy",
    "npy, channels first": lambda root, images: np.save(root / "b.npy", np.moveaxis(images, -1, 1)) or root / "b.npy",
    "npz": lambda root, images: np.savez(root / "a.npz", images=images, labels=np.zeros((7, 3, 3))) or root / "a.npz",
    "HDF5": lambda root, images: write_hdf5(root / "a.h5", images),
    "floats of a generator": lambda root, images: np.save(root / "g.npy", images / 127.5 - 1) or root / "g.npy",
    "floats from 0 to 1": lambda root, images: np.save(root / "u.npy", images / 255) or root / "u.npy",
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_gives_the_same_images(kind, images, tmp_path):
    collection = load_images(WRITERS[kind](tmp_path, images))
    assert collection.images.dtype == np.uint8
    np.testing.assert_array_equal(collection.images, images)
    assert len(collection.ids) == len(set(collection.ids)) == 7
    assert not collection.skipped


@pytest.mark.parametrize("kind", WRITERS)
def test_limit_takes_images_from_all_over_with_their_own_ids(kind, images, tmp_path):
    source = WRITERS[kind](tmp_path, images)
    everything, some = load_images(source), load_images(source, limit=3)
    picked = [everything.ids.index(name) for name in some.ids]
    assert picked == [0, 2, 4]
    np.testing.assert_array_equal(some.images, images[picked])


@pytest.mark.parametrize("kind", WRITERS)
def test_larger_images_are_downsampled_by_nearest_neighbour_and_smaller_ones_refused(kind, images, tmp_path):
    source = WRITERS[kind](tmp_path, images)
    expected = np.stack([np.asarray(Image.fromarray(im).resize((12, 12), Image.Resampling.NEAREST)) for im in images])
    np.testing.assert_array_equal(load_images(source, size=12).images, expected)
    with pytest.raises(CollectionError, match="smaller than the asked 64 px"):
        load_images(source, size=64)


def test_a_galaxy_set_gives_the_asked_size_with_its_ids(tmp_path):
    from gan.datasets.synthetic import synthetic_set

    galaxies = synthetic_set(tmp_path / "set", 6, sizes=(32, 64), seed=0)
    smallest, larger = load_images(tmp_path / "set"), load_images(tmp_path / "set", size=64, limit=3)
    np.testing.assert_array_equal(smallest.images, galaxies.images(32))
    np.testing.assert_array_equal(larger.images, galaxies.images(64)[[0, 2, 4]])
    assert larger.ids == galaxies.index["id"][[0, 2, 4]].tolist()
    with pytest.raises(CollectionError, match="not 48 px"):
        load_images(tmp_path / "set", size=48)


def test_a_folder_of_arrays_is_one_collection(images, tmp_path):
    for part in range(3):
        np.save(tmp_path / f"part-{part}.npy", images[2 * part : 2 * part + 2])
    collection = load_images(tmp_path)
    np.testing.assert_array_equal(collection.images, images[:6])
    assert collection.ids[3] == "part-1.npy[1]"


def test_a_large_array_stays_on_disk(images, tmp_path):
    np.save(tmp_path / "a.npy", images)
    assert isinstance(load_images(tmp_path / "a.npy").images, np.memmap)


def test_bad_files_are_skipped_counted_and_named(images, tmp_path):
    write_folder(tmp_path, images)
    whole = png(images[0])
    bad = {
        "empty.png": b"",
        "cut.png": whole[: len(whole) // 2],
        "text.jpg": b"not an image at all",
        "wide.png": png(images[0][:, :16]),
        "small.png": png(images[0][:8, :8]),
        "deep.png": png(images[0][..., 0].astype(np.uint16)),
    }
    for name, content in bad.items():
        (tmp_path / "sub" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "sub" / name).write_bytes(content)
    (tmp_path / "notes.txt").write_text("ignored")
    (tmp_path / ".hidden.png").write_bytes(whole)
    collection = load_images(tmp_path, size=32)
    np.testing.assert_array_equal(collection.images, images)
    assert set(collection.skipped) == {f"sub/{name}" for name in bad}
    assert all(collection.skipped.values())


def test_grey_pictures_become_three_equal_channels(images, tmp_path):
    Image.fromarray(images[0][..., 0]).save(tmp_path / "grey.png")
    loaded = load_images(tmp_path / "grey.png").images
    assert loaded.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(loaded[0], np.repeat(images[0][..., :1], 3, axis=-1))


def test_floats_in_units_of_their_own_and_holes_are_kept(images, tmp_path):
    flux = images.astype(np.float64) * 40 - 300
    np.save(tmp_path / "flux.npy", flux)
    np.testing.assert_array_equal(load_images(tmp_path / "flux.npy").images, flux.astype(np.float32))
    holed = images / 255
    holed[2, 3, 3, 0] = np.nan
    loaded = load_images(holed).images
    assert loaded.dtype == np.float32 and np.isnan(loaded).sum() == 1
    np.testing.assert_array_equal(loaded[0], images[0])


def test_fits_is_linear_whatever_its_range(images, tmp_path):
    cube = np.moveaxis(images[0] / 255, -1, 0).astype(np.float32)
    fits.writeto(tmp_path / "one.fits", cube)
    fits.writeto(tmp_path / "grey.fits", cube[0])
    fits.writeto(tmp_path / "two.fits", np.stack([cube, 2 * cube]))
    np.testing.assert_array_equal(load_images(tmp_path / "one.fits").images[0], np.moveaxis(cube, 0, -1)[::-1])
    assert load_images(tmp_path / "grey.fits").images.shape == (1, 32, 32, 1)
    assert load_images(tmp_path / "two.fits", limit=1).images.shape == (1, 32, 32, 3)


def test_a_folder_of_real_fits_with_a_truncated_one():
    folder = GALAXIES / "fits"
    if not folder.is_dir():
        pytest.skip(f"no real galaxies at {GALAXIES}")
    collection = load_images(folder, size=64)
    assert "truncated.fits" in collection.skipped
    assert len(collection) == 4 and collection.images.shape[1:] == (64, 64, 3)


def test_progress_reaches_the_end(images, tmp_path):
    calls = []
    load_images(write_folder(tmp_path, images), progress=lambda *call: calls.append(call))
    assert calls == [(done, 7) for done in range(1, 8)]


def broken_manifest(root: Path) -> Path:
    (root / "manifest.json").write_text(json.dumps({"format": "other"}))
    return root


BROKEN = {
    "absent": (lambda root: root / "nowhere", "does not exist"),
    "empty folder": (lambda root: root, "no images among its 0 files"),
    "no galaxy set": (broken_manifest, "manifest.json"),
    "unknown kind": (lambda root: (root / "a.csv").write_text("1") and root / "a.csv", "no known kind"),
    "text in npy": (lambda root: (root / "a.npy").write_text("1") and root / "a.npy", "no readable array"),
    "objects in npy": (lambda root: np.save(root / "a.npy", np.array([{}])) or root / "a.npy", "no readable array"),
    "text in npz": (lambda root: (root / "a.npz").write_text("1") and root / "a.npz", "no readable archive"),
    "text in HDF5": (lambda root: (root / "a.h5").write_text("1") and root / "a.h5", "no readable HDF5"),
    "text in FITS": (lambda root: (root / "a.fits").write_text("1") and root / "a.fits", "no readable FITS"),
    "spectra": (lambda root: np.save(root / "a.npy", np.zeros((5, 9))) or root / "a.npy", r"shape \(5, 9\)"),
    "not square": (lambda root: np.save(root / "a.npy", np.zeros((5, 9, 30, 3))) or root / "a.npy", "square images"),
    "strings": (lambda root: np.save(root / "a.npy", np.full((2, 9, 9), "x")) or root / "a.npy", "real numbers"),
    "which array": (
        lambda root: np.savez(root / "a.npz", a=np.zeros((2, 9, 9)), b=np.zeros((2, 9, 9))) or root / "a.npz",
        "expected an array named 'images'",
    ),
    "no stack": (lambda root: np.savez(root / "a.npz", a=np.zeros(2)) or root / "a.npz", r"holds a \(2,\)"),
    "all bad": (lambda root: (root / "a.png").write_text("1") and root, "no usable image: 1 refused"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_used_is_one_clear_error(case, tmp_path):
    make, message = BROKEN[case]
    with pytest.raises(CollectionError, match=message) as error:
        load_images(make(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{"limit": 0}, {"size": 0}])
def test_options_out_of_range_are_named(options, images):
    with pytest.raises(CollectionError, match=f"{next(iter(options))} = 0 does not work"):
        load_images(images, **options)


def test_fits_rows_count_from_the_bottom(tmp_path):
    pixels = np.zeros((3, 32, 32), np.float32)
    pixels[:, 0, :] = 1.0  # the first row of a FITS image is its lowest
    fits.writeto(tmp_path / "galaxy.fits", pixels)
    images = load_images(tmp_path / "galaxy.fits").images
    assert images[0, -1].all() and not images[0, :-1].any()


@pytest.mark.parametrize("form", ["png", "npy", "npz"])
def test_generated_galaxies_are_read_without_their_contact_sheet(form, images, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"complete": True, "request": {"format": form}}))
    (tmp_path / "contact_sheet.png").write_bytes(png(np.concatenate(list(images))[:, :32]))
    if form == "png":
        write_folder(tmp_path / "png" / "000000", images)
    elif form == "npy":
        np.save(tmp_path / "galaxies.npy", images)
    else:
        (tmp_path / "npz").mkdir()
        np.savez_compressed(tmp_path / "npz" / "galaxies-000000.npz", images=images, ids=np.arange(7))
    np.testing.assert_array_equal(load_images(tmp_path).images, images)


def test_a_folder_of_pictures_may_hold_a_manifest_of_its_own(images, tmp_path):
    write_folder(tmp_path, images)
    (tmp_path / "manifest.json").write_text(json.dumps({"model": {"file": "checkpoint.pt"}, "scale": 1}))
    np.testing.assert_array_equal(load_images(tmp_path).images, images)
