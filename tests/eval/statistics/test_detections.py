"""Sources found, matched, invented and missed."""

import numpy as np
import pytest

from common.errors import FieldError
from eval.statistics.detections import DetectionSettings, by_magnitude, match_sources
from tests.eval.fields import field, to_bytes


def star(image: np.ndarray, x: float, y: float, height: float = 60) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    light = height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))
    return to_bytes(image + light[..., None])


@pytest.mark.parametrize(("x", "y"), [(8, 9), (55, 50), (32, 60)])
def test_a_planted_source_is_one_hallucination_and_a_removed_one_a_miss(x, y):
    target = field(3, sources=0)
    planted = star(target, x, y)
    invented, lost = match_sources(planted, target), match_sources(target, planted)
    assert (invented.hallucinations, invented.misses) == (1, 0)
    assert (lost.hallucinations, lost.misses) == (0, 1)
    assert invented.output_positions[~invented.genuine][0] == pytest.approx([x, y], abs=0.5)
    table = by_magnitude([invented, lost])
    assert table["hallucinations"].sum() == 1 and table["targets"].sum() - table["found"].sum() == 1
    light = (planted.astype(float) - target).mean(axis=2).sum()
    lone = table[(table["targets"] == 1) & (table["completeness"] == 0)]["magnitude"].iloc[0]
    assert lone == pytest.approx(-2.5 * np.log10(light), abs=0.8)  # bins of 1 mag


def test_noise_and_denoising_invent_nothing():
    for seed in range(5):
        target = field(seed, noise=3.0)
        smooth = field(seed, noise=0.0)  # the truth, deeper than its target can tell
        star_below_noise = star(smooth, 6, 6, height=4)
        assert match_sources(smooth, target).hallucinations == 0
        assert match_sources(star_below_noise, target).hallucinations == 0
        assert match_sources(target, target).misses == 0


def test_empty_frames_have_no_sources():
    black = np.zeros((32, 32, 3), np.uint8)
    match = match_sources(black, black)
    assert len(match.found) == len(match.genuine) == 0
    assert by_magnitude([match]).empty


@pytest.mark.parametrize("wrong", [{"threshold": 1.0}, {"pixels": 0}, {"radius": -1.0}, {"smoothing": 50.0}])
def test_detection_settings_name_what_is_wrong(wrong):
    with pytest.raises(FieldError, match=next(iter(wrong))):
        DetectionSettings(**wrong)
