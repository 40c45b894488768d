"""What is known of the intensities along a walk: closed forms on planes and constants."""

from __future__ import annotations

import numpy as np
import pytest

from eval.isophote import path, path_table
from eval.isophote.sampling import Frame, Geometry, Scratch, sample_walk

SIDE, SMA = 512, 22.0


def sampled(pixels, eps=0.3, pa=0.4, centre=256.0):
    table = path_table.starts_table(SIDE, 20.0, 0.1)
    points, space = path.room(SIDE)
    walk = path.make_walk(points[0], space[0])
    assert path.trace(walk, table, -1, 0.1, SMA, eps, SMA, eps, True)
    frame = Frame(np.ascontiguousarray(pixels, np.float32).ravel(), SIDE)
    scratch = Scratch(np.zeros((5, 5)), np.zeros(5), np.zeros(8))
    return sample_walk(frame, walk, Geometry(centre, centre, eps, pa, SMA, eps), 0.0, True, scratch)


def test_a_constant_frame_has_no_variance_and_no_harmonics():
    sample = sampled(np.full((SIDE, SIDE), 7.0))
    assert sample.used == sample.total > 100
    assert sample.mean == pytest.approx(7.0) and sample.variance == pytest.approx(0.0, abs=1e-9)
    assert [sample.sin1, sample.cos1, sample.sin2, sample.cos2] == pytest.approx([0.0] * 4, abs=1e-6)


def test_a_slope_is_all_in_the_first_harmonics():
    x = np.arange(SIDE, dtype=float) + np.zeros((SIDE, 1))
    sample = sampled(100 + 0.5 * (x - 256), eps=0.001, pa=0.0)
    assert abs(sample.cos1) == pytest.approx(0.5 * SMA, rel=0.05)
    assert max(abs(sample.sin1), abs(sample.sin2), abs(sample.cos2)) < 0.05 * abs(sample.cos1)


def test_a_walk_that_leaves_the_frame_uses_fewer_points():
    sample = sampled(np.full((SIDE, SIDE), 7.0), centre=8.0)
    assert 0 < sample.used < sample.total and sample.mean == pytest.approx(7.0)
