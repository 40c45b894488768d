"""What the paper's figures are made from, read from studies that were really trained."""

from __future__ import annotations

import numpy as np
import pytest

from study.paper_figures.data import FigureUnavailable, drawn, losses, one_factor, read_source, sheet_path, tiles
from tests.study.small_studies import DRAWN


def test_rows_are_the_galaxies_that_the_trial_drew(paper_results):
    """What is cut from a sheet is what the checkpoint of that epoch draws, value for value."""
    from gan.sample import sample
    from gan.training.checkpoint import load_generator

    source = read_source(paper_results / "ablation")
    row = source.leader
    images, epoch = drawn(source, row, 8)
    generator, _ = load_generator(row.checkpoint(epoch))
    assert np.array_equal(images, sample(generator, 8, seed=row.seed))
    assert len(tiles(sheet_path(row, epoch), 64, 1000)) >= DRAWN


def test_trials_of_one_factor_differ_in_nothing_else(paper_results):
    source = read_source(paper_results / "ablation")
    found = one_factor(source, "model.kernel_size", (4, 6))
    assert found[4].point == {} and found[6].point == {"model.kernel_size": 6}
    assert set(one_factor(source, "train.dropout.placement", ("both",))) == {
        "none", "generator", "discriminator", "both"}  # fmt: skip
    assert one_factor(source, "train.label_smoothing", (0.3,)) == {}


def test_losses_come_from_the_studys_own_runs(paper_results, tmp_path):
    """Every epoch of the right trial of the right study, as MLflow keeps them."""
    from study.tracking.mlflow_tracker import Tracker

    source = read_source(paper_results / "ablation")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for identity, offset in (("ablation", 0.0), ("another", 5.0)):
        tracker = Tracker(uri, source.study, identity, tmp_path / "artifacts")
        tracker.start({})
        for name in ("0000", "0001"):
            history = [
                {"epoch": e, "loss/generator": e + offset, "loss/discriminator": e + int(name) + offset} for e in (1, 2)
            ]
            config = {"name": name, "point": {}, "role": "baseline", "seed": 0, "model": {}, "train": {}}
            tracker.trial_result(config, {"epoch": 2, "history": history})
        assert tracker.close("FINISHED") == 0
    source.state["tracking_uri"] = uri
    row = next(row for row in source.rows if row.name == "0001")
    found = losses(source, row)
    assert found["generator"].tolist() == [[1, 1], [2, 2]]
    assert found["discriminator"].tolist() == [[1, 2], [2, 3]]
    with pytest.raises(FigureUnavailable, match="no losses of trial 0002"):
        losses(source, next(row for row in source.rows if row.name == "0002"))


def test_a_study_knows_its_galaxies_again(paper_results):
    source = read_source(paper_results / "stage2")
    assert source.enlarges_real and source.has_sizes(64, 128) and not source.has_sizes(256)
    assert source.real(128).shape == (40, 128, 128, 3)
    assert source.real_sample(3, size=64).shape == (3, 64, 64, 3)
