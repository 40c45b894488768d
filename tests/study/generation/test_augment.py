"""Flips and turns of generated galaxies: each galaxy's own, and fair."""

import numpy as np
import pytest

from study.generation.augment import augment


def pictures(n: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, side, side, 3), np.uint8)


@pytest.mark.parametrize("how", ["right", "any"])
def test_the_turn_of_a_galaxy_depends_on_seed_and_number_only(how):
    images = pictures(130)
    whole = augment(images, how, seed=4)
    parts = [augment(images[a:b], how, seed=4, start=a) for a, b in ((0, 7), (7, 100), (100, 130))]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, augment(images, how, seed=5))


def test_right_angles_are_the_eight_moves_of_a_square_in_equal_shares():
    one = pictures(1)[0]
    moves = [np.rot90(f, k) for f in (one, one[:, ::-1]) for k in range(4)]
    turned = augment(np.repeat(one[None], 4000, axis=0), "right", seed=0)
    counts = [int((turned == move).all(axis=(1, 2, 3)).sum()) for move in moves]
    assert sum(counts) == 4000
    assert max(abs(c - 500) for c in counts) < 5 * np.sqrt(500)


def test_any_angle_turns_a_bar_to_all_angles_and_keeps_its_light():
    """The moments' angle of an elongated Gaussian is spread evenly; its flux stays."""
    y, x = np.mgrid[:64, :64] - 31.5
    bar = np.rint(200 * np.exp(-((x / 6) ** 2 + (y / 2) ** 2) / 2)).astype(np.uint8)
    turned = augment(np.repeat(bar[None, ..., None], 600, axis=0), "any", seed=2)[..., 0].astype(float)
    light = turned.sum((1, 2))
    assert np.abs(light / bar.sum() - 1).max() < 0.01
    xx, yy, xy = ((turned * moment).sum((1, 2)) / light for moment in (x * x, y * y, x * y))
    angles = np.sort(np.mod(0.5 * np.arctan2(2 * xy, xx - yy), np.pi)) / np.pi
    steps = np.arange(1, 601) / 600
    assert np.abs(angles - steps).max() < 1.63 / np.sqrt(600)  # Kolmogorov's 1% point


def test_no_augmentation_touches_nothing():
    images = pictures(3)
    assert augment(images, "none", seed=0) is images
