"""Pictures as files."""

import numpy as np
from PIL import Image

from study.tasks.pictures import write_png


def test_pixels_come_back_and_nothing_else_is_left(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_png(np.zeros((2, 2, 3), np.uint8), tmp_path / "a.png")
    write_png(pixels, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG" and (np.asarray(image) == pixels).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
