"""One evaluation of an enhancer: numbers, tables and pictures."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from gan.datasets.synthetic import draw
from gan.enhance.config import UNetConfig
from gan.enhance.models.unet import unet
from study.tasks.enhancement.evaluation import TRIPTYCHS, PairEvaluation, diverged, evaluate_pairs, triptychs


@pytest.fixture(scope="module")
def unchanged():
    """An enhancer that draws its input: the difference that it adds is 0."""
    network = unet(UNetConfig(image_size=64, depth=2, width=2)).eval()
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    return network


@pytest.fixture(scope="module")
def pairs():
    targets, _ = draw(10, size=64, seed=3)
    noise = np.random.default_rng(0).normal(0, 12, targets.shape)
    return np.clip(targets + noise, 0, 255).astype(np.uint8), targets


def test_doing_nothing_gains_nothing(pairs, unchanged):
    found = evaluate_pairs(unchanged, *pairs, engine="fast", jobs=1)
    metrics = found.metrics
    mse = np.mean((pairs[0] / 255 - pairs[1] / 255) ** 2, axis=(1, 2, 3))
    assert metrics["psnr"] == pytest.approx(np.mean(-10 * np.log10(mse)), abs=0.05)
    assert metrics["psnr"] == pytest.approx(metrics["psnr/input"], rel=1e-4)
    assert metrics["gain"] == pytest.approx(0, abs=1e-4)
    assert len(found.tables["galaxies"]) == 10 and found.rankable == (metrics["failed/prediction"] <= 0.3)


def test_the_targets_themselves_are_the_best(pairs, unchanged):
    _, targets = pairs
    metrics = evaluate_pairs(unchanged, targets, targets, engine="fast", jobs=1).metrics
    assert metrics["ssim"] == pytest.approx(1.0) and "bias/flux" in metrics
    assert metrics["bias/flux"] == pytest.approx(0.0, abs=1e-9)


def test_all_that_was_found_is_written_the_account_last(pairs, unchanged, tmp_path):
    found = evaluate_pairs(unchanged, *pairs, engine="fast", jobs=1)
    found.write(tmp_path / "e", {"epoch": 3})
    account = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert account == {"epoch": 3, "metrics": found.metrics, "rankable": found.rankable}
    table = pd.read_parquet(tmp_path / "e" / "galaxies.parquet")
    pd.testing.assert_frame_equal(table, found.tables["galaxies"])
    newest = max((p for p in (tmp_path / "e").iterdir()), key=lambda p: p.stat().st_mtime_ns)
    assert newest.name == "evaluation.json"


def test_a_few_galaxies_are_shown_whatever_their_number(pairs, unchanged):
    for n in (1, TRIPTYCHS, 10):
        sheet = evaluate_pairs(unchanged, *(p[:n] for p in pairs), engine="fast", jobs=1).pictures["triptychs"]
        rows = min(n, TRIPTYCHS)
        assert 128 * rows <= sheet.shape[0] < 128 * (rows + 1) and sheet.shape[2] == 3


def test_nothing_is_drawn_of_what_diverged(tmp_path):
    found = diverged()
    assert isinstance(found, PairEvaluation) and not found.rankable
    found.write(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["evaluation.json"]


def test_differences_show_what_is_missing():
    targets = np.full((1, 16, 16, 3), 100, np.uint8)
    inputs, predictions = np.full((1, 8, 8, 3), 90, np.uint8), targets.copy()
    predictions[0, :8] += 10
    sheets = triptychs(inputs, predictions, targets)
    grey = sheets["differences"][..., 0]
    assert set(np.unique(grey)) == {87, 127, 167, 255}
    assert sheets["triptychs"].shape[1] > 3 * 128
