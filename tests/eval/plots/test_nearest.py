"""Figures of nearest images."""

from __future__ import annotations

import numpy as np

from eval.plots.nearest import distance_figure
from eval.statistics.memorisation import memorisation


def test_the_distances_of_both_sets_and_their_numbers_are_drawn():
    rng = np.random.default_rng(0)
    generated, training, held_out = (rng.integers(0, 256, (n, 8, 8, 3), np.uint8) for n in (12, 20, 10))
    figures, closest, other = memorisation(generated, training, held_out)
    drawn = distance_figure(closest, other, figures, title="copies?")
    (axis,) = drawn.axes
    words = [text.get_text() for text in axis.get_legend().get_texts()]
    assert "held-out real, n = 10" in words and "generated, n = 12" in words
    assert "20 training images" in axis.get_xlabel()
