"""Metrics of enhanced images."""

from __future__ import annotations

import numpy as np

from eval.metrics import PAIRS
from eval.statistics.enhancement import judge
from gan.datasets.synthetic import draw


def test_the_registry_takes_its_figures_from_the_result():
    targets, _ = draw(8, size=48, seed=0)
    rng = np.random.default_rng(0)
    inputs = np.clip(targets + rng.normal(0, 8, targets.shape), 0, 255).astype(np.uint8)
    result = judge(inputs, targets, targets)
    found, figures = PAIRS.evaluate(result), result.metrics()
    assert found["psnr"] == figures["psnr"] == 100.0 and found["ssim"] == 1.0
    assert set(found) <= set(figures) and found["gain/flux"] == 1.0
    assert PAIRS["psnr"].cost(found) == -100.0 and PAIRS["bias/flux"].cost(found) == 0.0
