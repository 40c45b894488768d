"""What is summed inside an ellipse."""

import numpy as np
import pytest

from eval.isophote import compiled_engine, photutils_engine
from eval.isophote import frame as frame_module
from eval.settings import MeasurementSettings


def frame_of(image, size=512):
    fitter = compiled_engine.Fitter(MeasurementSettings(frame_size=size))
    fitter.fit(image)
    return fitter._frame


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
