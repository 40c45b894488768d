"""The figure of an enhancer's errors."""

from __future__ import annotations

import numpy as np

from eval.plots.enhancement import enhancement_figure
from eval.properties import PROPERTIES
from eval.statistics.enhancement import judge
from gan.datasets.synthetic import draw


def test_every_property_has_a_panel_with_its_unit():
    targets, _ = draw(10, size=48, seed=1)
    rng = np.random.default_rng(0)
    inputs = np.clip(targets + rng.normal(0, 10, targets.shape), 0, 255).astype(np.uint8)
    figure = enhancement_figure(judge(inputs, targets, targets), title="enhanced")
    labels = [axis.get_xlabel() for axis in figure.axes]
    for known in PROPERTIES.values():
        assert any(known.difference in label for label in labels)
