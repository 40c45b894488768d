"""The compiled engine's parts against plain statements of what they compute, and the whole against photutils."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.crosscheck import agreement
from eval.isophote import compiled_engine, fit, path, path_table, photutils_engine
from eval.isophote import frame as frame_module
from eval.measure import as_catalogue, measure
from eval.settings import MeasurementSettings

GALAXIES = Path(__file__).resolve().parents[2].parent / "shared" / "galaxies"
SETTINGS = MeasurementSettings()


def frame_of(image, size=512):
    fitter = compiled_engine.Fitter(MeasurementSettings(frame_size=size))
    fitter.fit(image)
    return fitter._frame


@pytest.mark.parametrize("side", [16, 63, 64, 128, 200, 512, 700])
def test_the_frame_is_pillows(side):
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    wanted = Image.fromarray(image.mean(axis=-1).astype(np.float32)).resize((512, 512), Image.Resampling.BICUBIC)
    difference = np.abs(frame_of(image) - np.asarray(wanted))
    assert difference.max() <= 255 * np.finfo(np.float32).eps


def test_the_kernel_keeps_quadratics_and_sums_to_one():
    # Keys (1981): with a = -0.5 the interpolation reproduces polynomials up to the second degree.
    first, weights, _ = frame_module.resampling(64, 512)
    assert weights.sum(axis=1) == pytest.approx(1.0, abs=1e-14)
    at = (np.arange(512) + 0.5) / 8 - 0.5
    source = np.arange(64.0)
    for power in (1, 2):
        values = (weights * (source**power)[first[:, np.newaxis] + np.arange(4)]).sum(axis=1)
        assert values[20:-20] == pytest.approx(at[20:-20] ** power, abs=1e-9)


def walked(sma, eps, phi, r):
    """photutils' walk in its own words: angles and radii."""
    phis, radii = [], []
    while phi <= 2 * np.pi + 0.05:
        phis.append(phi)
        radii.append(r)
        phi += min(1.0 / r, 0.5)
        r = sma * (1 - eps) / np.hypot((1 - eps) * np.cos(phi), np.sin(phi))
    return np.array(phis), np.array(radii)


@pytest.mark.parametrize("eps", [-1.5, -0.02, 0.0, 0.013, 0.2, 0.5, 0.77, 0.9, 0.949])
@pytest.mark.parametrize("inherits", [False, True])
def test_walks_are_those_of_the_plain_loop(eps, inherits):
    table = path_table.starts_table(512, 20.0, 0.1)
    points, space = path.room(512)
    sma = 20.0
    begin = sma
    for index in range(28):
        if index:
            begin = begin if inherits else sma
            walk = path.make_walk(points[0], space[0])
            assert path.trace(walk, table, index, 0.1, sma, eps, begin, eps, False)
            count = int(walk.head[path.COUNT])
            phis, radii = walked(sma, eps, *path.start(begin, eps, 0.1))
            assert count == len(phis)
            x, y = walk.points[path.X, :count], walk.points[path.Y, :count]
            found = np.sort_complex(np.round(x + 1j * y, 4))
            assert np.abs(found - np.sort_complex(np.round(radii * np.exp(1j * phis), 4))).max() < 3e-4
            assert np.abs(np.exp(1j * phis).sum() - walk.points[:2, :count].T.dot([1, 1j]).sum()) < 1e-6
        begin, sma = sma, sma * 1.1


def test_most_of_the_walks_are_tabulated_and_a_runaway_ends():
    table = path_table.starts_table(512, 20.0, 0.1)
    usable = table.steps > 0
    edges = path.MIN_Q ** (np.arange(path.PANELS) / path.PANELS)
    assert usable[:, :, edges > 0.35].all() and usable.mean() > 0.85
    points, space = path.room(512)
    walk = path.make_walk(points[0], space[0])
    for eps in (-np.inf, np.nan, 1.0, 1.5):
        assert not path.trace(walk, table, 3, 0.1, 20.0 * 1.1**3, eps, 20.0, 0.2, True)


@pytest.mark.parametrize(("eps", "pa", "x0"), [(0.0, 0.3, 255.5), (0.5, 1.0, 250.2), (0.9, 2.9, 20.0)])
def test_flux_and_band_fluxes_are_sums_over_the_pixels_inside(eps, pa, x0):
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    frame = frame_of(image)
    y, x = np.mgrid[:512, :512]
    u = (x - x0) * np.cos(pa) + (y - 240.0) * np.sin(pa)
    v = -(x - x0) * np.sin(pa) + (y - 240.0) * np.cos(pa)
    inside = np.hypot(u, v / (1 - eps)) <= 150.0
    found = frame_module.flux_inside(frame, x0, 240.0, 150.0, eps, pa)
    assert found == pytest.approx(frame[inside].sum(dtype=np.float64), rel=1e-9)
    bands = np.empty(3)
    frame_module.band_fluxes(image, *frame_module.resampling(64, 512), x0, 240.0, 150.0, eps, pa, bands)
    wanted = [photutils_engine.reference_frame(image[..., band], 512)[inside].sum() for band in range(3)]
    assert bands == pytest.approx(wanted, rel=1e-6)


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


def test_no_kind_of_array_makes_the_kernels_compile_again(tmp_path):
    compiled_engine.compile_once()
    kernels = (frame_module.grey_of, frame_module.resample, frame_module.band_fluxes, fit.fit_frame)
    before = [len(kernel.signatures) for kernel in kernels]
    image = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", image)
    kinds = [np.load(tmp_path / "images.npy", mmap_mode="r"), image[..., :3], image[:, ::-1], image.astype(">f4")]
    for images in (*kinds, np.asfortranarray(image), image.astype(np.int64), image[..., 0].astype(bool)):
        measure(images)
    assert [len(kernel.signatures) for kernel in kernels] == before
