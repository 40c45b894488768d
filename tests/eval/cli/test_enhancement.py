"""python -m eval.enhancement."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eval.enhancement import main
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
