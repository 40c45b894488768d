"""What the paper says of a level, found by what the level sets."""

from pathlib import Path

import pytest

from study.config import load_study
from study.results.paper_verdicts import BATCH, DROPOUT, KERNEL, NARROW, NO_NORM, SMOOTHING, finding

SPACES = Path(__file__).resolve().parents[3] / "search_spaces"
BASELINE = {"model.width": 64, "train.batch_size": 32, "model.kernel_size": 4}


def test_the_papers_findings_are_found_by_what_a_level_sets():
    study = load_study(SPACES / "paper_ablation.yaml")
    by_label = {
        str(sorted(t.point.items())): finding(t.point, study.value) for t in study.planned() if t.role != "baseline"
    }
    words = [f.words if f else None for f in by_label.values()]
    assert words == [
        "asymmetric galaxies, sharp cut-offs",
        "wider is better",
        "wider is better",
        "W = 128 at B = 32 makes spiral arms",
        "no colour, no diversity",
        "cleaner, less diverse; no clear gain",
        "bad",
        "less diverse",
        None,
    ]
    assert finding({"train.lr": 1e-3}, study.value) is None
    assert finding({"model.kernel_size": 6, "train.lr": 1e-3}, study.value) is None


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"model.kernel_size": 6}, KERNEL),
        ({"model.kernel_size": 4}, None),
        ({"model.batch_norm": False}, NO_NORM),
        ({"model.batch_norm": True}, None),
        ({"train.label_smoothing": 0.3}, SMOOTHING),
        ({"train.label_smoothing": 0.0}, None),
        ({"train.dropout.placement": "generator"}, DROPOUT["generator"]),
        ({"train.dropout.placement": "discriminator"}, DROPOUT["discriminator"]),
        ({"train.dropout.placement": "discriminator_last"}, None),
        ({"model.width": 32}, NARROW),
        ({"model.width": 32, "train.batch_size": 128}, NARROW),
        ({"model.width": 64, "train.batch_size": 128}, BATCH),
        ({"train.batch_size": 128}, BATCH),
        ({"train.batch_size": 16}, None),
        ({"model.width": 128}, None),
        ({"model.width": 128, "train.batch_size": 128}, None),
        ({"model.width": 32, "train.lr": 1e-3}, None),
    ],
)
def test_only_what_the_paper_looked_at_has_a_verdict(point, expected):
    assert finding(point, BASELINE.get) is expected
