"""The page of a study of enhancers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from study.config import load_study
from study.reporting.pair_page import page
from study.results.trials import TrialRow

SPACE = Path(__file__).parents[3] / "search_spaces" / "enhance.yaml"


@pytest.fixture
def study():
    return load_study(SPACE, ["description=Is <b>sharper</b> better?"], smoke=True)


def row(home: Path, final: dict | None) -> TrialRow:
    metrics = {"psnr": 31.5, "psnr/input": 28.25, "bias/flux": 0.1, "bias_input/flux": 0.375, "gain": 0.1}
    evaluation = {"epoch": 4, "objective": -31.5, "objectives": dict.fromkeys(("psnr", "gain"), -31.5)}
    evaluation |= {"metrics": metrics, "rankable": True}
    return TrialRow("0000", "baseline", {}, 0, "complete", 4, (evaluation,), final and evaluation | final, home)


def test_the_finalists_evaluation_is_shown_with_its_pictures(study, tmp_path):
    for folder, grey in (("trials/0000/evaluations/epoch-00004", 1), ("finalists/0000", 2)):
        (tmp_path / folder).mkdir(parents=True)
        Image.fromarray(np.full((4, 4, 3), grey, np.uint8)).save(tmp_path / folder / "triptychs.png")
    pages = [page(study, tmp_path, [row(tmp_path / "trials/0000", f)]) for f in (None, {"epoch": 3, "samples": 900})]
    assert "Epoch 4, judged on the pairs of the search." in pages[0]
    assert "Epoch 3, judged on 900 pairs that chose nothing." in pages[1]
    pictures = [text.partition("data:image/png;base64,")[2].partition("'")[0] for text in pages]
    assert all(pictures) and pictures[0] != pictures[1]
    assert all(text.count("data:image/png;base64,") == 1 and "http" not in text for text in pages)


def test_metrics_stand_beside_those_of_the_input(study, tmp_path):
    text = page(study, tmp_path, [row(tmp_path, None)])
    assert "<td>psnr</td><td>31.5</td><td>28.25</td>" in text and "<td>31.500</td>" in text
    assert "<td>bias/flux</td><td>0.1</td><td>0.375</td>" in text
    assert "<td>gain</td><td>0.1</td><td></td>" in text


def test_before_the_first_evaluation_there_is_only_the_table(study, tmp_path):
    text = page(study, tmp_path, [])
    assert "Is &lt;b&gt;sharper&lt;/b&gt; better?" in text
    assert "The best trial" not in text and "How to reproduce this" in text
