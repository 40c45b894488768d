"""`python -m study.enhance`: files of any kind and size in, sky coordinates and units kept, bad ones refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from gan.enhance.apply.enhancer import enhance
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, UNetConfig
from gan.enhance.training import checkpoint
from gan.enhance.training.trainer import EnhanceTrainer
from study.enhance import main


def trained(path, scale: int = 1, **model):
    """A checkpoint of an untrained network whose weights are known by its seed."""
    config = UNetConfig(image_size=16, depth=2, width=4, scale=scale, **model)
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (4, 16, 16, config.channels), np.uint8)
    targets = rng.integers(0, 256, (4, 16 * scale, 16 * scale, config.channels), np.uint8)
    train = EnhanceTrainConfig(batch_size=2)
    trainer = EnhanceTrainer(config, CriticConfig(width=4), train, inputs, targets, device="cpu", threads=1)
    checkpoint.save(trainer, path)
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {scale: trained(folder / f"{scale}.pt", scale) for scale in (1, 2)}


@pytest.fixture
def cut_threads():
    torch.set_num_threads(1)


def picture(path, height=40, width=56, mode="RGB", seed=0):
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 200, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def cube(path, *, shape=(3, 70, 90), dtype=np.float32, hdu=fits.PrimaryHDU, **cards):
    rng = np.random.default_rng(1)
    data = rng.uniform(0.1, 0.3, shape).astype(dtype) if dtype != np.uint8 else rng.integers(0, 256, shape, np.uint8)
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = 146.7, 12.5, 30.5, 41.0
    header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = -7e-5, 1e-5, 1.1e-5, 7e-5
    header["A_ORDER"], header["B_ORDER"] = 2, 2
    header["A_2_0"], header["B_1_1"], header["B_0_2"] = 3e-5, -2e-5, 1e-5
    header["OBJECT"] = "M 51"
    for key, value in cards.items():
        header[key] = value
    hdu(data, header=header).writeto(path)
    return data


def sky(header, x, y):
    return WCS(header, naxis=2).all_pix2world(np.atleast_1d(x), np.atleast_1d(y), 0)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_folder_is_enhanced_as_the_library_does_it_and_bad_files_are_refused(models, tmp_path, capsys, scale):
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    pixels = picture(source / "a.png")
    picture(source / "deep" / "b.jpg", 20, 24)
    picture(source / "grey.png", mode="L")
    (source / "notes.txt").write_text("not an image")
    (source / "empty.png").touch()
    (source / "cut.png").write_bytes((source / "a.png").read_bytes()[:300])
    command = [str(source), "--model", models[scale], "--out", str(out), "--tile", "32", "--overlap", "8"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "3 of 6 images" in said and "notes.txt: not-an-image" in said and "empty.png: empty" in said
    network, _ = checkpoint.load_enhancer(models[scale])
    wanted = enhance(network, pixels[None], tile=32, overlap=8)[0]
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a.png")), wanted)
    assert Image.open(out / "deep" / "b.png").size == (24 * scale, 20 * scale)
    assert Image.open(out / "grey.png").mode == "L"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["results"] == {"a.png": "a.png", "deep/b.jpg": "deep/b.png", "grey.png": "grey.png"}
    assert {r["name"]: r["reason"] for r in manifest["refused"]}["cut.png"] in ("truncated", "damaged")


def test_given_again_it_makes_only_what_is_missing(models, tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for i in range(3):
        picture(source / f"{i}.png", 24, 24, seed=i)
    command = [str(source), "--model", models[1], "--out", str(out)]
    assert main(command) == 0
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.glob("*.png")}
    (out / "1.png").unlink()
    assert main(command) == 0
    assert "3 of 3 images enhanced (2 were there)" in capsys.readouterr().out
    after = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.glob("*.png")}
    assert {n: b for n, (b, _) in after.items()} == {n: b for n, (b, _) in before.items()}
    assert after["0.png"] == before["0.png"]


def test_a_result_of_another_model_is_never_overwritten(models, tmp_path, capsys):
    picture(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--model", models[1], "--out", str(tmp_path / "out")]) == 0
    kept = (tmp_path / "out" / "a.png").read_bytes()
    assert main([str(tmp_path / "a.png"), "--model", models[2], "--out", str(tmp_path / "out")]) == 2
    assert "another input, model or setting" in capsys.readouterr().err
    assert (tmp_path / "out" / "a.png").read_bytes() == kept


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("hdu", [fits.PrimaryHDU, fits.ImageHDU])
def test_every_pixel_of_a_fits_image_keeps_its_place_on_the_sky(models, tmp_path, scale, hdu):
    cube(tmp_path / "a.fits", hdu=hdu)
    assert main([str(tmp_path / "a.fits"), "--model", models[scale], "--out", str(tmp_path / "out")]) == 0
    (before,) = [h.header for h in fits.open(tmp_path / "a.fits") if h.data is not None]
    with fits.open(tmp_path / "out" / "a.fits") as result:
        result.verify("exception")
        after, data = result[0].header, result[0].data
    assert data.shape == (3, 70 * scale, 90 * scale) and data.dtype == np.dtype(">f4")
    assert after["OBJECT"] == "M 51" and len(after["ENHKEY"]) == 32
    x, y = np.random.default_rng(0).uniform(0, 70, (2, 50))
    np.testing.assert_allclose(
        sky(before, x, y), sky(after, (x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5), rtol=0, atol=1e-10
    )


def test_cdelt_with_a_rotation_is_rescaled_too(models, tmp_path):
    cube(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        header = hdus[0].header
        for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
            del header[key]
        header["CDELT1"], header["CDELT2"] = -7e-5, 7e-5
        header["PC1_1"], header["PC1_2"], header["PC2_1"], header["PC2_2"] = 0.8, -0.6, 0.6, 0.8
    assert main([str(tmp_path / "a.fits"), "--model", models[2], "--out", str(tmp_path / "out")]) == 0
    before, after = fits.getheader(tmp_path / "a.fits"), fits.getheader(tmp_path / "out" / "a.fits")
    np.testing.assert_allclose(sky(before, 10, 20), sky(after, 20.5, 40.5), rtol=0, atol=1e-10)


class Identity(torch.nn.Module):
    """Repeats pixels; stands for a network so that values can be followed through the whole way."""

    def __init__(self, scale):
        super().__init__()
        from types import SimpleNamespace

        self.config, self.multiple, self.weight = SimpleNamespace(scale=scale), 4, torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        k = self.config.scale
        return 2 * x.repeat_interleave(k, 2).repeat_interleave(k, 3) - 1


@pytest.fixture
def identity(monkeypatch):
    def load(given, *, tracking_uri=None):
        return Identity(int(given)), {"sha256": "0" * 64, "config": {"channels": 3}}

    monkeypatch.setattr("study.results.models.load_enhancer_model", load)


@pytest.mark.parametrize("shape", [(3, 70, 90), (70, 90), (1, 70, 90)])
def test_linear_values_come_back_and_sums_over_the_sky_are_kept(identity, tmp_path, shape):
    data = cube(tmp_path / "a.fits", shape=shape, BUNIT="nanomaggy")
    assert (
        main(
            [str(tmp_path / "a.fits"), "--model", "2", "--out", str(tmp_path / "out"), "--tile", "32", "--overlap", "8"]
        )
        == 0
    )
    found = fits.getdata(tmp_path / "out" / "a.fits")
    assert found.ndim == len(shape)
    summed = found.reshape(-1, 70, 2, 90, 2).sum((2, 4))
    np.testing.assert_allclose(summed, data.reshape(-1, 70, 90), rtol=1e-4)


@pytest.mark.parametrize("stretch", [[], ["--linear", "0", "5"]])
def test_cores_too_bright_for_the_stretch_keep_their_flux(identity, tmp_path, stretch):
    data = cube(tmp_path / "a.fits")
    data[:, 30:34, 40:44] = np.array([900.0, 14.0, 0.2], np.float32)[:, np.newaxis, np.newaxis]
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits", overwrite=True)
    assert main([str(tmp_path / "a.fits"), "--model", "2", "--out", str(tmp_path / "out"), *stretch]) == 0
    summed = fits.getdata(tmp_path / "out" / "a.fits").reshape(3, 70, 2, 90, 2).sum((2, 4))
    np.testing.assert_allclose(summed, data, rtol=2e-4)


def test_values_per_area_are_not_divided(identity, tmp_path):
    data = cube(tmp_path / "a.fits", BUNIT="nanomaggy/arcsec^2")
    assert main([str(tmp_path / "a.fits"), "--model", "2", "--out", str(tmp_path / "out")]) == 0
    found = fits.getdata(tmp_path / "out" / "a.fits")
    np.testing.assert_allclose(found[:, ::2, ::2], data, rtol=1e-4)


def test_pixels_without_data_have_none_afterwards(identity, tmp_path):
    cube(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[0].data[1, 33:40, 50:60] = np.nan
    assert (
        main(
            [str(tmp_path / "a.fits"), "--model", "2", "--out", str(tmp_path / "out"), "--tile", "32", "--overlap", "8"]
        )
        == 0
    )
    empty = np.isnan(fits.getdata(tmp_path / "out" / "a.fits"))
    wanted = np.zeros((140, 180), bool)
    wanted[66:80, 100:120] = True
    np.testing.assert_array_equal(empty, np.broadcast_to(wanted, empty.shape))


def test_bytes_in_a_fits_file_are_colours_and_stay_bytes(identity, tmp_path):
    data = cube(tmp_path / "a.fits", dtype=np.uint8)
    assert main([str(tmp_path / "a.fits"), "--model", "1", "--out", str(tmp_path / "out")]) == 0
    found = fits.getdata(tmp_path / "out" / "a.fits")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, data)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tile", "8"], "--tile 8"),
        (["--overlap", "500"], "--overlap 500"),
        (["--bands", "1"], "3 different planes"),
        (["--linear", "3", "1"], "--linear"),
        (["--stretch", "-1"], "--stretch"),
        (["--device", "toaster"], "--device toaster"),
    ],
)
def test_wrong_options_are_one_sentence_and_exit_2(models, tmp_path, capsys, arguments, says):
    picture(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--model", models[1], "--out", str(tmp_path / "out"), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wrong_inputs_and_models_are_named(models, tmp_path, capsys):
    picture(tmp_path / "a.png")
    out = ["--out", str(tmp_path / "out")]
    assert main([str(tmp_path / "nowhere"), "--model", models[1], *out]) == 2
    assert "INPUT" in capsys.readouterr().err
    assert main([str(tmp_path / "a.png"), "--model", str(tmp_path / "a.png"), *out]) == 2
    assert "not a PyTorch file" in capsys.readouterr().err
    assert main([str(tmp_path / "a.png"), "--model", models[1], "--out", str(tmp_path)]) == 2
    assert "overwrite" in capsys.readouterr().err
    cube(tmp_path / "five.fits", shape=(2, 40, 40))
    assert main([str(tmp_path / "five.fits"), "--model", models[1], *out]) == 1
    assert "2 planes" in capsys.readouterr().out


def test_a_galaxy_generator_is_not_an_enhancer(tmp_path, capsys):
    from gan.config import ModelConfig, TrainConfig
    from gan.training import checkpoint as galaxies
    from gan.training.trainer import Trainer

    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    model = ModelConfig(image_size=16, width=2, latent_dim=4)
    galaxies.save(Trainer(model, TrainConfig(batch_size=4), images, device="cpu"), tmp_path / "g.pt")
    picture(tmp_path / "a.png")
    assert main([str(tmp_path / "a.png"), "--model", str(tmp_path / "g.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "enhancer is needed" in capsys.readouterr().err
