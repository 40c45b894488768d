"""Grids of galaxies: which trials stand in which row."""

import dataclasses

import numpy as np
import pytest

from gan.sample import enlarge, sample
from gan.training.checkpoint import load_generator
from study.paper_figures import grids
from study.paper_figures.chain import find_stage2
from study.paper_figures.data import FigureUnavailable, read_source
from study.paper_figures.request import FigureRequest
from study.tracking.mlflow_tracker import Tracker


def request(home, name, stage2=None):
    source = read_source(home / name)
    return FigureRequest(source, find_stage2(stage2, home) if stage2 else None, 20, lambda what, done, total: None)


def strips(figure):
    """The rows of a grid as they are shown, and their labels."""
    images = [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    return images, [text.get_text() for text in figure.texts[1:]]


def cut(strip, side, n):
    step = (strip.shape[1] - side) // (n - 1)
    return np.stack([strip[:side, i * step : i * step + side] for i in range(n)])


def rows_of(figure, n=grids.COLUMNS):
    images, labels = strips(figure)
    return {label: cut(image, image.shape[0], n) for label, image in zip(labels, images, strict=True)}


def test_kernels_stand_above_real_galaxies(paper_results):
    asked = request(paper_results, "ablation")
    made = grids.kernel_size(asked)
    shown = rows_of(made.figure)
    assert list(shown) == ["K = 6", "K = 4", "synthetic"]
    by_point = {str(row.point): row for row in asked.source.rows}
    for label, point in (("K = 6", "{'model.kernel_size': 6}"), ("K = 4", "{}")):
        row = by_point[point]
        generator, _ = load_generator(row.checkpoint(2))
        assert np.array_equal(shown[label], sample(generator, 8, seed=row.seed))
        assert f"{label}: trial {row.name}, epoch 2 of 2" in made.caption
    assert np.array_equal(shown["synthetic"], asked.source.real_sample(8))
    assert made.caption.startswith("As figure 2 of Fussell & Moews (2019). 8 galaxies a row. Study ablation.")


def test_placements_stand_above_the_baseline(paper_results):
    made = grids.dropout_placement(request(paper_results, "ablation"))
    assert list(rows_of(made.figure)) == [
        "dropout in the\ngenerator", "dropout in the\ndiscriminator", "dropout in both", "no dropout", "synthetic"
    ]  # fmt: skip
    assert "Dropout in the generator: trial " in made.caption


@pytest.mark.parametrize(
    ("maker", "says"),
    [
        (grids.kernel_size, "needs trials with model.kernel_size 4 and 6"),
        (grids.dropout_placement, "needs trials with train.dropout.placement generator, discriminator and both"),
        (grids.training_progress, "has one evaluation"),
        (grids.high_resolution, "needs a study of a DCGAN at 128 px"),
        (grids.chain_samples, "needs the chain"),
    ],
)
def test_what_a_study_lacks_is_said(paper_results, maker, says):
    with pytest.raises(FigureUnavailable, match=says):
        maker(request(paper_results, "stage2"))


def test_generated_and_real_galaxies_are_as_many(paper_results):
    asked = request(paper_results, "ablation")
    made = grids.real_and_generated(asked)
    images, labels = strips(made.figure)
    assert labels == ["generated", "generated", "synthetic", "synthetic"]
    assert made.caption.startswith("Generated (blue) and real galaxies (green), 16 and 16.")
    real = asked.source.real_sample(16)
    assert np.array_equal(cut(images[2], 64, 8), real[:8]) and np.array_equal(cut(images[3], 64, 8), real[8:])


def test_training_shows_one_noise_at_several_epochs(paper_results):
    asked = request(paper_results, "ablation")
    made = grids.training_progress(asked)
    shown = rows_of(made.figure)
    assert list(shown) == ["epoch 1", "epoch 2", "synthetic"]
    assert (shown["epoch 1"] != shown["epoch 2"]).any()
    assert "at epochs 1, 2 (blue; a column is one noise vector throughout)" in made.caption


def test_dropout_at_128_px_is_kept_or_removed(paper_results):
    made = grids.high_resolution(request(paper_results, "dropout128"))
    assert list(rows_of(made.figure)) == [
        "dropout to the end\nD width 2", "dropout removed\nafter epoch 1\nD width 2", "synthetic"
    ]  # fmt: skip
    asked = request(paper_results, "dropout128")
    kept = [row for row in asked.source.rows if not row.point]
    only = dataclasses.replace(asked, source=dataclasses.replace(asked.source, rows=kept))
    assert "No trial of this study has ended its dropout." in grids.high_resolution(only).caption


def test_axes_that_the_paper_has_no_figure_of(paper_results):
    asked = request(paper_results, "ablation")
    assert grids.ablation_axes(asked.source) == ["width_and_batch"]
    made = grids.ablation_axis(asked, "width_and_batch")
    assert list(rows_of(made.figure)) == [
        "width = 2\nbatch size = 10\n(baseline)", "width = 3\nbatch size = 20", "synthetic"
    ]  # fmt: skip
    assert "Seed 0 for all." in made.caption
    with pytest.raises(FigureUnavailable, match=r"no trial of model\.nothing and no baseline"):
        grids.ablation_axis(asked, "model.nothing")


def test_galaxies_are_enlarged_by_interpolation_and_by_stage_two(paper_results):
    asked = request(paper_results, "stage2")
    made = grids.enlarged(asked)
    shown = rows_of(made.figure)
    labels = ["synthetic,\n64 px", "synthetic,\n128 px", "64 px enlarged,\nbicubic", "64 px enlarged,\nStage-II"]
    assert list(shown) == labels
    small, large = (asked.source.real_sample(8, size=side) for side in (64, 128))
    assert np.array_equal(shown[labels[1]], large)
    assert np.array_equal(shown[labels[0]], small.repeat(2, 1).repeat(2, 2)), "shown in whole pixels"
    network = find_stage2("stage2", paper_results).network
    assert np.array_equal(shown[labels[3]], enlarge(network, small))
    error = np.abs(shown[labels[2]].astype(float) - large).mean()
    assert error < np.abs(shown[labels[3]].astype(float) - large).mean(), "a network of one epoch is no match"


def test_below_each_small_galaxy_stands_the_same_one_large(paper_results):
    asked = request(paper_results, "ablation", "stage2")
    made = grids.chain_samples(asked)
    images, labels = strips(made.figure)
    assert labels == ["DCGAN, 64 px", "Stage-II, 128 px"] * 2
    low, high = cut(images[0], 128, 8)[:, ::2, ::2], cut(images[1], 128, 8)
    source = asked.source
    generator, _ = load_generator(source.checkpoint(source.leader)[0])
    drawn = sample(generator, 16, seed=source.leader.seed + 1_000_003)
    assert np.array_equal(low, drawn[:8]) and high.shape == (8, 128, 128, 3)


def test_losses_need_the_studys_own_store(paper_results):
    with pytest.raises(FigureUnavailable, match="MLflow store"):
        grids.training_losses(request(paper_results, "ablation"))


def test_losses_with_and_without_dropout_stand_side_by_side(paper_results, tmp_path):
    asked = request(paper_results, "ablation")
    source = asked.source
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracker = Tracker(uri, source.study, source.state["study_id"], tmp_path / "artifacts")
    tracker.start({})
    for row in source.rows:
        history = [{"epoch": e, "loss/generator": 2.0, "loss/discriminator": 1.0} for e in (1, 2)]
        config = {"name": row.name, "point": {}, "role": row.role, "model": {}, "train": {}}
        tracker.trial_result(config, {"epoch": 2, "history": history})
    assert tracker.close("FINISHED") == 0
    known = dataclasses.replace(source, state={**source.state, "tracking_uri": uri})
    made = grids.training_losses(dataclasses.replace(asked, source=known))
    titles = " ".join(axis.get_title() + axis.get_title("left") for axis in made.figure.axes)
    assert len(made.figure.axes) == 2 and "no dropout" in titles + made.caption
    assert "Losses of the best trial without and the best with dropout" in made.caption
    assert "generator's is -log D(G(z))." in made.caption
