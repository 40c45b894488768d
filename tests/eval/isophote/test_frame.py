"""Frames that galaxies are measured on."""

import numpy as np
import pytest
from PIL import Image

from eval.isophote import compiled_engine
from eval.isophote import frame as frame_module
from eval.settings import MeasurementSettings


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
