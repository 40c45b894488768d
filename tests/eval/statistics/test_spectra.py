"""Power where it must be, and what the spectrum sees that the shapes do not."""

from pathlib import Path

import numpy as np
import pytest

from eval.statistics.spectra import compare_spectra, log_power_spectra, radial_power_spectrum, spectrum_distance

GALAXIES = Path(__file__).resolve().parents[3].parent / "shared" / "galaxies" / "gz2"


def blobs(n: int, seed: int, *, size: int = 64, channels: int = 3, noise: float = 3.0) -> np.ndarray:
    """(n, size, size, channels) uint8: round galaxies of different widths on noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(y, x)[None]
    width = rng.uniform(2, 7, n)[:, None, None] * size / 64
    grey = 20 + rng.uniform(60, 180, n)[:, None, None] * np.exp(-radius / width)
    images = grey[..., None] + rng.normal(0, noise, (n, size, size, channels))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def real_galaxies(n: int) -> np.ndarray:
    if not GALAXIES.is_dir():
        pytest.skip(f"no real galaxies at {GALAXIES}")
    from PIL import Image

    files = sorted(GALAXIES.glob("*.jpg"))[:n]
    return np.stack(
        [np.asarray(Image.open(f).convert("RGB").resize((64, 64), Image.Resampling.NEAREST)) for f in files]
    )


def checkerboard(images: np.ndarray, amplitude: float) -> np.ndarray:
    signs = 1 - 2 * (np.indices(images.shape[1:3]).sum(axis=0) % 2)
    return np.clip(images + amplitude * signs[..., None], 0, 255).astype(np.uint8)


def blurred(images: np.ndarray) -> np.ndarray:
    soft = images.astype(np.float32)
    for axis in (1, 2):
        soft = 0.5 * soft + 0.25 * (np.roll(soft, 1, axis) + np.roll(soft, -1, axis))
    return np.rint(soft).astype(np.uint8)


def noisier(images: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, 4, (*images.shape[:3], 1))
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("window", ["none", "hann"])
@pytest.mark.parametrize("size", [16, 33, 64])
def test_white_noise_has_its_variance_in_every_ring(size, window):
    noise = np.random.default_rng(0).normal(0, 5, (4000, size, size))
    frequency, spectra = log_power_spectra(noise, window=window)
    power = np.mean(10.0**spectra, axis=0)
    # A taper and the subtraction of the mean act on the two innermost rings only.
    np.testing.assert_allclose(power[2:], 25, rtol=0.08)
    assert frequency[0] == pytest.approx(1 / size)
    assert frequency[-1] == pytest.approx(np.sqrt(0.5), abs=1 / size)


@pytest.mark.parametrize(("wave", "frequency"), [((8, 0), 8 / 64), ((0, 20), 20 / 64), ((3, 4), 5 / 64)])
def test_a_plane_wave_has_all_its_power_in_one_ring(wave, frequency):
    y, x = np.mgrid[:64, :64]
    image = 7 + np.cos(2 * np.pi * (wave[0] * y + wave[1] * x) / 64)
    frequencies, log_power = radial_power_spectrum(image[None])
    assert frequencies[np.argmax(log_power)] == pytest.approx(frequency)
    assert np.sort(log_power)[-2] < log_power.max() - 6


def test_power_adds_up_to_the_variance():
    """Parseval: the mean power over all modes is the variance of the pixels."""
    image = np.random.default_rng(1).gamma(2, 10, (1, 32, 32))
    _, log_power = radial_power_spectrum(image)
    ky, kx = np.meshgrid(np.fft.fftfreq(32) * 32, np.fft.fftfreq(32) * 32)
    modes = np.bincount(np.rint(np.hypot(ky, kx)).astype(int).ravel())[1:]
    assert np.sum(10**log_power * modes) / 32**2 == pytest.approx(image.var(), rel=1e-3)


@pytest.mark.parametrize("change", [lambda im: checkerboard(im, 2), blurred, noisier], ids=["checker", "blur", "noise"])
@pytest.mark.parametrize("source", ["drawn", "real"])
def test_checkerboard_blur_and_noise_stand_out_from_the_floor(change, source):
    images = blobs(600, 2) if source == "drawn" else real_galaxies(600)
    first, second = images[::2], images[1::2]
    same, changed = compare_spectra(first, second), compare_spectra(first, change(second))
    assert same.distance < 2.5 * same.floor
    assert changed.distance > 6 * changed.floor
    assert changed.distance == spectrum_distance(first, change(second))


def test_the_floor_is_what_two_real_sets_give():
    pairs = [compare_spectra(blobs(300, 2 * k), blobs(150, 2 * k + 1)) for k in range(10)]
    seen = np.mean([pair.distance for pair in pairs])
    assert np.mean([pair.floor for pair in pairs]) == pytest.approx(seen, rel=0.3)
    assert pairs[0].metrics() == {"spectrum": pairs[0].distance, "spectrum_floor": pairs[0].floor}


def test_odd_images_change_nothing_and_stop_nothing():
    images = blobs(20, 1).astype(np.float32)
    holed = np.concatenate([images, np.full((1, 64, 64, 3), np.nan, np.float32)])
    np.testing.assert_array_equal(radial_power_spectrum(images)[1], radial_power_spectrum(holed)[1])
    constant = np.full((4, 64, 64), 7, np.uint8)
    assert np.isfinite(radial_power_spectrum(constant)[1]).all()
    with pytest.raises(ValueError, match="no image with finite pixels"):
        compare_spectra(images, np.full_like(images, np.nan))


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 32\) px"):
        spectrum_distance(blobs(2, 1), blobs(2, 1, size=32))
    with pytest.raises(ValueError, match="expected"):
        radial_power_spectrum(np.zeros((3, 8, 9)))
