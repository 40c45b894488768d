"""Files that hold stacks of images."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from astropy.io import fits

from eval.images.array_files import open_stack, read_fits
from eval.images.arrays import CollectionError

STACK = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
IDS = ["a", "b", "c"]


def written(folder, suffix, **arrays):
    path = folder / f"stack{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    return path


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".hdf5"])
def test_images_and_their_ids_are_found_by_name(tmp_path, suffix):
    ids = np.array(IDS, "S1" if suffix != ".npz" else "U1")
    array, names, close = open_stack(written(tmp_path, suffix, images=STACK, ids=ids, other=STACK[:1]), suffix)
    assert (np.asarray(array) == STACK).all() and names == IDS
    close()


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_the_only_stack_needs_no_name_and_of_two_none_is_guessed(tmp_path, suffix):
    array, names, close = open_stack(written(tmp_path, suffix, pixels=STACK, labels=np.arange(3)), suffix)
    assert np.asarray(array).shape == STACK.shape and names is None
    close()
    (tmp_path / "two").mkdir()
    with pytest.raises(CollectionError, match="an array named 'images', or only one"):
        open_stack(written(tmp_path / "two", suffix, one=STACK, two=STACK), suffix)


def test_an_npy_is_mapped_and_pickles_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    assert isinstance(open_stack(tmp_path / "a.npy", ".npy")[0], np.memmap)
    np.save(tmp_path / "p.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(CollectionError, match="no readable array"):
        open_stack(tmp_path / "p.npy", ".npy")


def test_ids_of_another_number_are_refused(tmp_path):
    with pytest.raises(CollectionError, match="2 ids for 3 images"):
        open_stack(written(tmp_path, ".npz", images=STACK, ids=np.array(["a", "b"])), ".npz")


def test_planes_of_a_fits_cube_are_bands_and_its_last_row_is_on_top(tmp_path):
    cube = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4)
    fits.PrimaryHDU(cube).writeto(tmp_path / "cube.fits")
    read = read_fits(tmp_path / "cube.fits")
    assert read.shape == (1, 4, 4, 3) and read.dtype == np.float32
    assert (read[0, 0, :, 1] == cube[1, -1]).all()
    fits.PrimaryHDU(np.zeros(5, np.float32)).writeto(tmp_path / "line.fits")
    with pytest.raises(CollectionError, match="has no image"):
        read_fits(tmp_path / "line.fits")
