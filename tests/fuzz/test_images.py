"""Mutated files: each is an image or a refusal with a known reason, whatever the bytes; no error, no hang."""

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from gan.data import GalaxySet
from gan.datasets.synthetic import draw
from gan.images.decode import decode
from gan.images.decode_settings import DecodeSettings
from gan.images.rejections import REASONS, Refused
from gan.prepare import main

SIDE = 40
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "galaxies" / "gz2"
SETTINGS = DecodeSettings(sizes=(16,), max_pixels=4_000_000, crop=True, greyscale=True, max_bad_pixels=0.5)


def save(image, form, **options):
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, form, **options)
    return stream.getvalue()


def seeds():
    images, _ = draw(3, size=SIDE)
    cube = io.BytesIO()
    fits.PrimaryHDU(np.moveaxis(images[2], -1, 0).astype(np.float32)).writeto(cube)
    tiled = io.BytesIO()
    hdu = fits.CompImageHDU(np.moveaxis(images[2], -1, 0).astype(np.int16))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tiled)
    real = sorted(REAL.glob("*.jpg"))[:1]
    return {
        **{path.name: path.read_bytes() for path in real},
        "jpg": save(images[0], "JPEG"),
        "progressive.jpg": save(images[0], "JPEG", progressive=True),
        "png": save(images[1], "PNG"),
        "palette.png": save(Image.fromarray(images[1]).quantize(16), "PNG"),
        "tif": save(images[1], "TIFF", compression="tiff_lzw"),
        "webp": save(images[1], "WEBP"),
        "gif": save(images[1], "GIF"),
        "bmp": save(images[1], "BMP"),
        "fits": cube.getvalue(),
        "fits.gz": gzip.compress(cube.getvalue()),
        "tiled.fits": tiled.getvalue(),
    }


def outcome(data):
    """Reason of the refusal, or "" for an image; anything else is an error of ours."""
    try:
        decoded = decode(data, SETTINGS)
    except Refused as refused:
        assert refused.reason in REASONS and refused.detail and "\n" not in refused.detail
        return refused.reason
    assert decoded.pixels[0].shape == (16, 16, 3) and decoded.pixels[0].dtype == np.uint8
    return ""


def fuzz(count, seed, alarm, mutate):
    rng = np.random.default_rng(seed)
    kinds = seeds()
    assert all(outcome(data) == "" for data in kinds.values())
    names, found = list(kinds), {}
    for number in range(count):
        alarm()
        reason = outcome(mutate(kinds[names[number % len(names)]], rng))
        found[reason] = found.get(reason, 0) + 1
    return found


@pytest.mark.filterwarnings("ignore")
def test_some_mutations(alarm, mutate):
    found = fuzz(330, 0, alarm, mutate)
    assert found[""] > 20 and found["truncated"] + found["damaged"] > 100


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_many_mutations(alarm, mutate):
    found = fuzz(11_000, 1, alarm, mutate)
    print(dict(sorted(found.items(), key=lambda item: -item[1])))
    assert {"", "truncated", "damaged", "not-an-image", "too-large"} <= found.keys()


@pytest.mark.slow
def test_many_mutations_through_the_command(tmp_path, mutate):
    rng = np.random.default_rng(2)
    kinds = seeds()
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("good.png", kinds["png"])
        for number in range(6_000):
            name = list(kinds)[number % len(kinds)]
            archive.writestr(f"{number}.{name}", mutate(kinds[name], rng))
    command = [sys.executable, "-m", "gan.prepare", str(tmp_path / "in.zip"), "--out", str(tmp_path / "set")]
    finished = subprocess.run([*command, "--sizes", "16"], capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0 and "Traceback" not in finished.stderr + finished.stdout
    galaxy_set = GalaxySet.open(tmp_path / "set")
    galaxy_set.verify()
    counts = galaxy_set.manifest["refused_counts"]
    assert len(galaxy_set) + sum(counts.values()) == 6_001 and set(counts) <= set(REASONS)
    assert "crashed" not in counts and "timeout" not in counts


@pytest.mark.slow
def test_damaged_archives_are_one_message_or_a_set(tmp_path, mutate):
    rng = np.random.default_rng(3)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in seeds().items():
            archive.writestr(f"a.{name}", data)
    for number in range(300):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(mutate(stream.getvalue(), rng))
        assert main([str(path), "--out", str(tmp_path / f"set{number}"), "--sizes", "16", "--quiet"]) in (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "npz", "h5"])
def test_damaged_array_files_are_one_message_or_a_set(tmp_path, kind, alarm, mutate):
    rng = np.random.default_rng(4)
    images, _ = draw(4, size=SIDE)
    path = tmp_path / f"seed.{kind}"
    if kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=images, chunks=True, compression="gzip")
            file["ans"] = np.arange(4)
    else:
        np.save(path, images) if kind == "npy" else np.savez_compressed(path, images=images, ans=np.arange(4))
    content = path.read_bytes()
    for number in range(200):
        alarm()
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(mutate(content, rng))
        assert main([str(path), "--out", str(tmp_path / f"set{number}"), "--sizes", "16", "--quiet"]) in (0, 2)
