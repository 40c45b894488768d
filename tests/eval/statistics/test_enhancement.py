"""Judging enhancement where the answer is known: identical images, known noise, planted and removed sources."""

import numpy as np
import pytest

from eval.catalogue import PROPERTIES
from eval.statistics.enhancement import Judge, judge
from eval.statistics.fidelity import PSNR_LIMIT
from tests.eval.fields import to_bytes


def test_perfect_predictions_have_no_error(stacks):
    inputs, targets = stacks
    result = judge(inputs, targets, targets, jobs=1)
    metrics = result.metrics()
    assert metrics["psnr"] == PSNR_LIMIT and metrics["ssim"] == 1
    for name in PROPERTIES:
        assert metrics[f"bias/{name}"] == 0 and metrics[f"scatter/{name}"] == 0 and metrics[f"gain/{name}"] == 1
        assert metrics[f"scatter_input/{name}"] > 0
    for name in ("flux_bias", "flux_scatter", "spectrum", "sharpness", "contamination", "hallucinations", "misses"):
        assert metrics[name] == 0
    assert metrics["completeness"] == 1
    assert metrics["psnr/input"] < 40 and metrics["ssim/input"] < 0.9
    assert all(np.isfinite(value) for value in metrics.values())


def test_doing_nothing_is_no_gain(stacks):
    inputs, targets = stacks
    metrics = judge(inputs, inputs, targets, jobs=1).metrics()
    for name in ("psnr", "ssim", "spectrum", "completeness", "contamination", "flux_bias", "flux_scatter"):
        assert metrics[name] == metrics[f"{name}/input"]
    assert metrics["gain"] == 0
    assert metrics["sharpness"] > 0  # inputs have the noise of a shallow image


def test_one_judge_judges_many(stacks):
    inputs, targets = stacks
    judged = Judge(inputs, targets, jobs=1)
    for predictions in (targets, inputs):
        assert judged(predictions).metrics() == judge(inputs, predictions, targets, jobs=1).metrics()


def test_flux_lost_is_a_flux_bias(stacks):
    _, targets = stacks
    dimmed = to_bytes(20 + (targets.astype(float) - 20) * np.exp(-0.2))
    metrics = judge(targets, dimmed, targets, jobs=1).metrics()
    assert metrics["flux_bias"] == pytest.approx(-0.2, abs=0.02) and metrics["flux_bias/input"] == 0


@pytest.mark.parametrize(
    ("inputs", "predictions", "targets"),
    [
        (np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3), np.uint8), np.zeros((3, 32, 32, 3), np.uint8)),
        (np.zeros((2, 20, 20, 3), np.uint8), np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3), np.uint8)),
        (np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 32, 3), np.uint8), np.zeros((2, 32, 32, 3), np.uint8)),
    ],
)
def test_stacks_that_do_not_pair_are_refused(inputs, predictions, targets):
    with pytest.raises(ValueError, match="expected"):
        judge(inputs, predictions, targets)
