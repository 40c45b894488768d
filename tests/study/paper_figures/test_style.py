"""Grids of galaxies and figures of losses, as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from study.paper_figures.style import BLUE, GREEN, Row, Run, grid_figure, loss_figure, write_figure


def test_smaller_galaxies_are_enlarged_by_whole_pixels():
    large, small = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)
    small[0, 0, 0] = (200, 0, 0)
    figure = grid_figure([Row("large", large, BLUE), Row("small", small, GREEN)], title="grid")
    strips = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    assert [strip.shape for strip in strips] == [(8, 17, 3), (8, 17, 3)]
    assert (strips[1][:2, :2] == (200, 0, 0)).all() and not strips[1][2:, :8].any()
    assert (strips[1][:, 8:] == 255).all()  # there is no second small galaxy
    assert [text.get_text() for text in figure.texts] == ["grid", "large", "small"]


def test_losses_of_all_runs_are_on_one_scale_with_their_marks():
    def run(height: float) -> Run:
        curve = np.array([[1, height], [2, height / 2]])
        return Run(f"loss {height}", {"generator": curve, "discriminator": curve}, [(1, "dropout on")])

    figure = loss_figure([run(1.0), run(4.0)], title="losses")
    limits = [axis.get_ylim() for axis in figure.axes]
    assert limits[0] == limits[1] and limits[0][0] == 0 and limits[0][1] >= 4
    assert [axis.texts[0].get_text() for axis in figure.axes] == ["dropout on"] * 2


def test_a_caption_is_part_of_the_file(tmp_path):
    row = Row("one", np.zeros((1, 8, 8, 3), np.uint8), BLUE)
    heights = []
    for name, caption in (("short.png", "A galaxy."), ("long.png", "A galaxy. " * 100)):
        write_figure(grid_figure([row], title="t"), caption, tmp_path / name)
        with Image.open(tmp_path / name) as image:
            heights.append(image.height)
    assert heights[1] > heights[0]


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path):
    row = Row("one", np.zeros((1, 8, 8, 3), np.uint8), BLUE)
    with pytest.raises(ValueError, match="not supported"):
        write_figure(grid_figure([row], title="t"), "caption", tmp_path / "figure.nonsense")
    assert list(tmp_path.iterdir()) == []
