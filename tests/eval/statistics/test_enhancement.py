"""Judging enhancement where the answer is known: identical images, known noise, planted and removed sources."""

import numpy as np
import pytest

from eval.catalogue import PROPERTIES
from eval.statistics.enhancement import Judge, judge
from eval.statistics.fidelity import PSNR_LIMIT

SIDE = 64


def field(seed: int, *, sources: int = 4, noise: float = 2.0, blur: float = 1.0) -> np.ndarray:
    """(SIDE, SIDE, 3) uint8: an elliptical galaxy and some stars on a noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle, axis = rng.uniform(0, np.pi), rng.uniform(0.4, 0.8)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    grey = 20 + 180 * np.exp(-np.hypot(along, across / axis) / (4 * blur))
    for px, py in rng.uniform(-26, 26, (sources, 2)):
        if np.hypot(px, py) > 18:
            grey += 60 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * (1.5 * blur) ** 2))
    return to_bytes(grey[..., None] * [1.0, 0.9, 0.8] + rng.normal(0, noise, (SIDE, SIDE, 3)))


def to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def stacks():
    targets = np.stack([field(seed) for seed in range(12)])
    inputs = np.stack([field(seed, noise=8.0, blur=1.5) for seed in range(12)])
    return inputs, targets


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
