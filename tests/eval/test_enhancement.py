"""Judging enhancement where the answer is known: identical images, known noise, planted and removed sources."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.errors import FieldError
from eval.catalogue import PROPERTIES
from eval.enhancement import main
from eval.statistics.detections import DetectionSettings, by_magnitude, match_sources
from eval.statistics.enhancement import Judge, judge
from eval.statistics.enhancement_result import difference, robust
from eval.statistics.fidelity import PSNR_LIMIT, aperture_flux, enlarge, psnr, ssim

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


def star(image: np.ndarray, x: float, y: float, height: float = 60) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    light = height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.5**2))
    return to_bytes(image + light[..., None])


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


def test_flux_lost_is_a_flux_bias(stacks):
    _, targets = stacks
    dimmed = to_bytes(20 + (targets.astype(float) - 20) * np.exp(-0.2))
    metrics = judge(targets, dimmed, targets, jobs=1).metrics()
    assert metrics["flux_bias"] == pytest.approx(-0.2, abs=0.02) and metrics["flux_bias/input"] == 0


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


def test_angles_differ_on_the_circle_and_only_where_there_is_one():
    table = pd.DataFrame({"position_angle": [89.0, 10.0, 50.0], "position_angle/target": [-89.0, 30.0, 0.0],
                          "ellipticity/target": [0.5, 0.5, 0.05]})  # fmt: skip
    found = difference(table, "position_angle")
    assert found[:2] == pytest.approx([-2.0, -20.0]) and np.isnan(found[2])


def test_bias_and_scatter_resist_failures():
    values = np.random.default_rng(1).normal(0.3, 0.1, 4001)
    values[:40] = 50
    assert robust(values) == (pytest.approx(0.3, abs=0.01), pytest.approx(0.1, rel=0.05))
    assert all(np.isnan(robust(np.array([np.nan]))))


def test_smaller_inputs_are_enlarged_for_comparison(stacks):
    _, targets = stacks
    inputs = np.ascontiguousarray(targets[:, ::2, ::2])
    result = judge(inputs, targets, targets, jobs=1)
    assert 15 < result.metrics()["psnr/input"] < 40 and len(result) == len(targets)
    flat = np.full((1, 8, 8, 3), 77, np.uint8)
    assert (enlarge(flat, 16) == 77).all() and enlarge(flat, 8) is flat


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


def test_command_pairs_by_name_and_writes_everything(stacks, tmp_path, capsys):
    inputs, targets = stacks
    for name, images, suffix in (
        ("inputs", inputs, "png"),
        ("predictions", targets, "png"),
        ("targets", targets, "tif"),
    ):
        (tmp_path / name).mkdir()
        for i, image in enumerate(images[: 5 if name == "inputs" else 4]):
            Image.fromarray(image).save(tmp_path / name / f"galaxy{i}.{suffix}")
    (tmp_path / "targets" / "broken.png").write_bytes(b"")
    out = tmp_path / "out"
    sides = [str(tmp_path / name) for name in ("inputs", "predictions", "targets")]
    assert main([*sides, "--out", str(out), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4 galaxies" in printed and "1 of 5 inputs" in printed and "broken.png" in printed
    summary = json.loads((out / "enhancement.json").read_text())
    assert summary["metrics"]["psnr"] == PSNR_LIMIT and summary["n"] == 4
    assert pd.read_parquet(out / "galaxies.parquet")["id"].tolist() == [f"galaxy{i}" for i in range(4)]
    assert {"detections.parquet", "enhancement.png"} <= {file.name for file in out.iterdir()}


def test_command_says_what_does_not_pair(stacks, tmp_path, capsys):
    inputs, targets = stacks
    for name, stack in (("inputs", inputs), ("targets", targets), ("short", targets[:5])):
        np.save(tmp_path / f"{name}.npy", stack)
    paths = [str(tmp_path / f"{name}.npy") for name in ("inputs", "short", "targets")]
    assert main([*paths, "--out", str(tmp_path / "out")]) == 2
    assert "5 predictions" in capsys.readouterr().err
    assert main([*paths[:2], str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 2
    assert list((tmp_path / "out").iterdir()) == []
