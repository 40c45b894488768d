"""How near one image is to another: PSNR, SSIM, aperture flux."""

import numpy as np
import pytest

from eval.statistics.enhancement import judge
from eval.statistics.fidelity import aperture_flux, enlarge, psnr, ssim
from tests.eval.fields import to_bytes


def test_psnr_of_known_noise():
    rng = np.random.default_rng(0)
    target = np.full((200, 200, 3), 128, np.uint8)
    noisy = to_bytes(target + rng.normal(0, 10, target.shape))
    # rounding adds a variance of 1/12
    assert psnr(noisy, target) == pytest.approx(10 * np.log10(255**2 / (100 + 1 / 12)), abs=0.05)
    assert psnr(target, target) == np.inf
    assert psnr(target + 5, target) == pytest.approx(20 * np.log10(255 / 5))


def test_ssim_of_a_change_of_level_alone():
    a, b, c1 = 100.0, 120.0, (0.01 * 255) ** 2
    images = [np.full((32, 32, 3), value, np.uint8) for value in (a, b)]
    assert ssim(*images) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-6)


def test_aperture_flux_is_light_above_the_sky_within_the_circle():
    image = np.full((65, 65, 3), 17.0)
    image[30:35, 30:35] += 4.0  # 25 px, all within the circle
    assert aperture_flux(image, 10) == pytest.approx(100)
    assert aperture_flux(image + 50, 10) == pytest.approx(100)


def test_smaller_inputs_are_enlarged_for_comparison(stacks):
    _, targets = stacks
    inputs = np.ascontiguousarray(targets[:, ::2, ::2])
    result = judge(inputs, targets, targets, jobs=1)
    assert 15 < result.metrics()["psnr/input"] < 40 and len(result) == len(targets)
    flat = np.full((1, 8, 8, 3), 77, np.uint8)
    assert (enlarge(flat, 16) == 77).all() and enlarge(flat, 8) is flat
