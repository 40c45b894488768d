"""Registration recovers a known scale and shift; real pairs of two surveys agree once registered."""

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan.images.registration import Registration, overlay, register
from tests.gan.places import REAL


def scene(side: int, scale: float = 1.0, dx: float = 0.0, dy: float = 0.0, *, noise: float = 3.0, seed: int = 0):
    """A galaxy and stars: position t from the centre of an image at scale 1 is t * scale + (dx, dy) here."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    x, y = (x - dx) / scale, (y - dy) / scale
    grey = 20 + 150 * np.exp(-np.hypot(0.8 * x + 0.3 * y, 1.5 * y - 0.4 * x) / 12)
    for px, py, height in np.column_stack([rng.uniform(-90, 90, (25, 2)), rng.uniform(20, 120, 25)]):
        grey += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.5**2))
    grey = grey + np.random.default_rng(seed).normal(0, noise, grey.shape)
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize(
    ("side", "scale", "dx", "dy", "given"),
    [
        (200, 1.0, 3.4, -2.25, math.nan),
        (200, 1.27, -4.3, 1.6, math.nan),
        (200, 0.8, 2.0, 5.5, math.nan),
        (200, 1.27, -4.3, 1.6, 1.25),
        (280, 1.9, 1.0, 2.0, 1.9),
    ],
)
def test_known_scale_and_shift_are_found(side, scale, dx, dy, given):
    found = register(scene(side, scale, dx, dy, seed=1), scene(200, noise=6, seed=2), zoom=given)
    assert found.zoom == pytest.approx(scale, rel=0.003)
    assert (found.dx, found.dy) == (pytest.approx(dx, abs=0.2), pytest.approx(dy, abs=0.2))
    assert found.correlation > 0.8


def test_registered_images_lie_upon_each_other():
    fixed, moving = scene(200, 1.27, -4.3, 1.6, seed=1, noise=1), scene(200, seed=2, noise=1)
    found = register(fixed, moving)
    for scale in (1, 2):
        laid, upon = overlay(fixed, moving, found, 80, scale)
        assert laid.shape == (80, 80, 3) and upon.shape == (80 * scale, 80 * scale, 3)
        reduced = np.asarray(Image.fromarray(upon).resize((80, 80), Image.Resampling.BOX)).astype(float)
        assert np.corrcoef(laid.ravel(), reduced.ravel())[0, 1] > 0.99


def test_different_skies_do_not_agree():
    other = np.random.default_rng(5)
    noise = Image.fromarray(other.integers(0, 40, (200, 200), np.uint8)).convert("RGB")
    assert register(scene(200), noise).correlation < 0.3


def test_the_common_square_is_what_both_cover():
    assert Registration(1.0, 0.0, 0.0, 1.0).common(100, 80) == 80
    assert Registration(1.0, 10.0, -5.0, 1.0).common(100, 100) == 80
    assert Registration(2.0, 0.0, 0.0, 1.0).common(100, 80) == 100
    assert Registration(0.1, 0.0, 90.0, 1.0).common(100, 100) == 0


@pytest.mark.skipif(not (REAL / "pairs.csv").exists(), reason=f"no real pairs in {REAL}")
def test_real_pairs_of_sdss_and_decals_register_with_and_without_their_scale():
    rows = pd.read_csv(REAL / "pairs.csv").iloc[[0, 13]]
    for row in rows.itertuples():
        fixed, moving = (Image.open(REAL / "pairs" / name).convert("RGB") for name in (row.sdss, row.decals))
        known, searched = register(fixed, moving, zoom=row.decals_zoom_to_match_sdss), register(fixed, moving)
        assert searched.correlation > 0.85
        assert searched.zoom == pytest.approx(row.decals_zoom_to_match_sdss, rel=0.03)
        assert (searched.dx, searched.dy) == (pytest.approx(known.dx, abs=1), pytest.approx(known.dy, abs=1))
