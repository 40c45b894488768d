"""Whether a generator copies its training images."""

import numpy as np
import pytest

from eval.statistics.memorisation import figures_of, memorisation
from tests.eval.discs import HELD_OUT, TRAINING, images


def test_an_honest_generator_gives_the_expectations():
    figures, _, _ = memorisation(images(1000, 3), TRAINING, HELD_OUT)
    assert figures.share == pytest.approx(0.5, abs=0.04)
    assert figures.share_1pct == pytest.approx(0.01, abs=0.01)
    assert figures.in_training_expected == 0.6
    assert abs(figures.in_training - 0.6) < 3.5 * figures.in_training_error
    assert figures.identical == 0


def test_a_copier_is_caught_by_every_figure():
    noise = np.random.default_rng(4).integers(-2, 3, TRAINING[:500].shape)
    copies = np.clip(TRAINING[:500, ::-1].astype(int) + noise, 0, 255).astype(np.uint8)
    figures, closest, _ = memorisation(copies, TRAINING, HELD_OUT)
    np.testing.assert_array_equal(closest.index, np.arange(500))
    assert figures.share > 0.99 and figures.share_1pct > 0.99
    assert figures.in_training == 1
    assert figures.in_training > figures.in_training_expected + 5 * figures.in_training_error


def test_a_few_copies_among_honest_images_stand_out_at_the_end():
    generated = images(500, 5)
    generated[:25] = TRAINING[:25, :, ::-1]
    figures, _, _ = memorisation(generated, TRAINING, HELD_OUT)
    assert figures.identical == 25 and figures.share_1pct > 0.05


def test_a_smooth_generator_is_not_taken_for_a_copier():
    figures, _, _ = memorisation(images(1000, 6, noise=0), TRAINING, HELD_OUT)
    assert figures.share > 0.8  # closer than held-out images, being without noise
    assert abs(figures.in_training - figures.in_training_expected) < 3.5 * figures.in_training_error


def test_the_figures_in_closed_form():
    figures = figures_of(
        np.array([0.0, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0, 9.5]), n_training=9
    )
    assert figures.share == pytest.approx((1 + (2.5 / 3) + (1.5 / 3) + 0) / 4)
    assert figures.share_1pct == 0.5  # 0.0 and 1.0 lie below the 1st percentile, 1.02
    assert figures.in_training_expected == 0.75
    assert figures.in_training == (1 + 0.75 + 0 + 1) / 4  # an equal distance counts as what is expected
    assert figures.identical == 1
    assert figures.metrics()["memorisation/share"] == figures.share
