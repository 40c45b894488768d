"""Files of generated galaxies, read back by programs that know nothing of ours; a further format is one class."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import InputError
from gan.config import ModelConfig
from gan.sample import sample
from study.generate import main, parser
from study.generation.generate import generate
from study.generation.writers import FORMATS, NpyWriter, ShardWriter, block_size, register
from study.results.models import load_model
from tests.study.trained import read_back, trained


def test_a_truncated_array_is_laid_out_again(tmp_path):
    def writer(count):
        return NpyWriter(tmp_path, count=count, shape=(2, 2, 1), facts={})

    writer(3).write(0, 0, np.full((1, 2, 2, 1), 7, np.uint8), None)
    assert writer(3).has(0) and not writer(4).has(0)
    with open(tmp_path / "galaxies.npy", "r+b") as file:
        file.truncate(130)
    assert not writer(3).has(0)
    writer(3).write(0, 1, np.full((1, 2, 2, 1), 8, np.uint8), None)
    assert np.load(tmp_path / "galaxies.npy").ravel().tolist() == [0] * 4 + [8] * 4 + [0] * 4


def test_blocks_stay_below_64_mib():
    for side in (16, 64, 128, 256, 512):
        size = block_size(side * side * 3)
        assert size * side * side * 3 <= 64 << 20 and 1000 % size == 0
    assert block_size(128 * 128 * 3) == 1000


def test_png_in_numbered_folders_of_a_thousand(model, tmp_path):
    generate(model, tmp_path / "g", count=1003, kind="png", catalogue=False)
    names = sorted(str(p.relative_to(tmp_path / "g/png")) for p in (tmp_path / "g/png").rglob("*.png"))
    assert names[0] == "000000/galaxy-000000000.png" and names[-1] == "000001/galaxy-000001002.png"
    assert len(names) == 1003


def test_fits_says_where_it_comes_from_and_carries_its_catalogue(model, tmp_path):
    from astropy.io import fits
    from astropy.table import Table

    generate(model, tmp_path / "g", count=40, kind="fits", seed=3)
    path = tmp_path / "g/fits/galaxies-000000.fits"
    with fits.open(path, checksum=True) as hdus:
        header = hdus[0].header
        assert hdus[0].data.shape == (40, 3, 16, 16)
        assert (header["SEED"], header["FIRSTGAL"], header["NGALAXY"]) == (3, 0, 40)
        assert header["MODELSHA"] == model.origin["model"]["sha256"]
        assert hdus["CATALOGUE"].columns["position_angle"].unit == "deg"
    assert len(Table.read(path, hdu="CATALOGUE")) == 40


def test_png_of_five_bands_is_refused(tmp_path):
    five = load_model(str(trained(tmp_path / "5.pt", ModelConfig(image_size=16, width=4, latent_dim=8, channels=5))))
    with pytest.raises(InputError, match=r"1 or 3 bands and the galaxies have 5"):
        generate(five, tmp_path / "g", count=5)
    assert not (tmp_path / "g").exists()
    generate(five, tmp_path / "g", count=5, kind="fits", catalogue=False)
    assert read_back(tmp_path / "g", "fits").shape == (5, 16, 16, 5)


@pytest.mark.parametrize("kind", ["png", "npy", "npz", "fits"])
def test_files_hold_what_the_generator_draws(model, tmp_path, kind):
    generate(model, tmp_path / "g", count=1003, kind=kind, seed=7, catalogue=False)
    assert np.array_equal(read_back(tmp_path / "g", kind), sample(model.network, 1003, seed=7))


def test_a_further_format_is_offered_and_works(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(FORMATS, "raw", None)  # taken away again at the end

    class RawWriter(ShardWriter):
        name, suffix, place = "raw", ".raw", "raw"
        help = "bytes and nothing else"

        def write_file(self, path, start, images, catalogue):
            path.write_bytes(images.tobytes())

    register(RawWriter)
    assert "raw: bytes and nothing else" in " ".join(parser().format_help().split())
    assert main(["--model", str(saved), "-n", "7", "--out", str(tmp_path / "g"), "--format", "raw"]) == 0
    assert f"galaxies:      {tmp_path / 'g' / 'raw'}" in capsys.readouterr().out
    (file,) = (tmp_path / "g" / "raw").iterdir()
    found = np.frombuffer(file.read_bytes(), np.uint8).reshape(7, 16, 16, 3)
    assert np.array_equal(found, sample(load_model(str(saved)).network, 7, seed=0))
