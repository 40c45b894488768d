"""The compiled engine beside photutils."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.crosscheck import agreement
from eval.isophote import compiled_engine, photutils_engine
from eval.measure import as_catalogue, measure
from eval.settings import MeasurementSettings

GALAXIES = Path(__file__).resolve().parents[3].parent / "shared" / "galaxies"


SETTINGS = MeasurementSettings()


def both_engines(images):
    fast = measure(images)
    fits = [photutils_engine.fit_image(image, SETTINGS) for image in images]
    return as_catalogue(fits, range(len(fits)), settings=SETTINGS, engine="photutils"), fast


def test_drawn_galaxies_come_out_as_photutils_has_them():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:64, :64] - 31.5
    images = []
    for _ in range(3):
        turn, q = rng.uniform(0, np.pi), rng.uniform(0.3, 0.9)
        u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
        image = 20 + 200 * np.exp(-np.hypot(u, v / q) / rng.uniform(3, 8)) + rng.normal(0, 2, x.shape)
        images.append(np.repeat(image.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1))
    reference, fast = both_engines(np.stack(images))
    found = agreement(reference, fast)
    assert found.same_verdict == 1.0
    assert found.same_size >= 0.5
    assert found.differences["ellipticity"][0] < 1e-6 and found.differences["flux"][0] < 1e-6


def real_images(count):
    files = sorted((GALAXIES / "gz2").glob("*.jpg"))
    if len(files) < count:
        pytest.skip(f"needs {count} real galaxy images, which are not part of the repository")
    some = files[:: len(files) // count][:count]
    size = (64, 64)
    return np.stack(
        [np.asarray(Image.open(file).convert("RGB").resize(size, Image.Resampling.NEAREST)) for file in some]
    )


def assert_agreement(images, fewest_same_sizes):
    found = agreement(*both_engines(images))
    assert found.same_verdict >= 0.995
    assert found.same_size >= fewest_same_sizes
    assert found.differences["ellipticity"][0] < 1e-6
    assert found.differences["position_angle"][0] < 1e-4
    assert found.differences["flux"][0] < 1e-6


def test_real_galaxies_come_out_as_photutils_has_them():
    assert_agreement(real_images(6), 0.5)


@pytest.mark.slow
def test_a_hundred_real_galaxies_come_out_as_photutils_has_them():
    assert_agreement(real_images(100), 0.75)


def test_fits_survive_noise_at_rounding_level():
    y, x = np.mgrid[:64, :64] - 31.5
    image = (30 + 200 * np.exp(-np.hypot(x, y / 0.6) / 5))[..., np.newaxis]
    image = image + np.random.default_rng(0).normal(0, 1, image.shape)
    fitter = compiled_engine.Fitter(SETTINGS)
    first, again = fitter.fit(image), fitter.fit(image, perturbation=1e-5, seed=3)
    assert first.status == again.status == "ok"
    assert first.converged.eps != again.converged.eps
    assert again.converged.eps == pytest.approx(first.converged.eps, abs=0.01)
