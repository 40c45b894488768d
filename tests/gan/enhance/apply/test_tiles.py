"""Tiles along an axis."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gan.enhance.apply.tiles import lay


@pytest.mark.parametrize("length", [1, 7, 8, 63, 64, 65, 66, 95, 96, 97, 130, 257, 1000])
@pytest.mark.parametrize("overlap", [0, 8, 32])
@pytest.mark.parametrize("scale", [1, 2])
def test_weights_of_all_tiles_sum_to_one_at_every_pixel(length, overlap, scale):
    axis = lay(length, tile=64, overlap=overlap, multiple=8)
    total = np.zeros(max(length, axis.tile) * scale)
    for start, weights in zip(axis.starts, axis.weights(scale), strict=True):
        assert (weights >= 0).all()
        total[start * scale : (start + axis.tile) * scale] += weights
    np.testing.assert_allclose(total[: length * scale], 1.0, atol=1e-6)
    assert axis.tile % 8 == 0
    assert all(a + axis.tile - b >= overlap for a, b in itertools.pairwise(axis.starts))
