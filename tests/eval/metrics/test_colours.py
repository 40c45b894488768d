"""Metrics of what the four shapes do not see."""

from __future__ import annotations

import numpy as np

from eval.measure import measure
from eval.metrics import GALAXIES, Sample, Samples
from gan.datasets.synthetic import draw


def test_a_checkerboard_moves_the_spectrum_and_swapped_bands_move_the_colours():
    images, _ = draw(120, size=32, seed=3)
    catalogue = measure(images)
    real = Sample(catalogue[:60], images[:60])

    def judged(changed):
        return GALAXIES.evaluate(Samples(real, Sample(measure(changed), changed)))

    plain = judged(images[60:])
    noisy = images[60:].astype(int) + 12 * ((np.indices((32, 32)).sum(0) % 2)[None, :, :, None])
    board = judged(np.clip(noisy, 0, 255).astype(np.uint8))
    assert plain["spectrum"] < 2 * plain["floor/spectrum"] < board["spectrum"]
    swapped = judged(np.ascontiguousarray(images[60:, :, :, ::-1]))
    assert plain["ks/color_rg"] < swapped["ks/color_rg"] and swapped["ks/color_rg"] > 3 * plain["floor/ks/color_rg"]
