"""Stacks of images brought to one layout, size and range of values."""

from __future__ import annotations

import numpy as np
import pytest

from eval.images.arrays import CollectionError, as_stack, spread, to_size


def test_items_are_taken_from_all_over_in_order():
    assert spread(list("abcdef"), 3) == sorted(spread(list("abcdef"), 3)) and len(spread(list("abcdef"), 3)) == 3
    assert spread([1, 2], None) == [1, 2] == spread([1, 2], 9)


def test_bands_first_grey_and_bands_last_become_one_layout():
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 256, (4, 20, 20, 3), np.uint8)
    assert (as_stack(stack, "it", None, None) == stack).all()
    assert (as_stack(stack.transpose(0, 3, 1, 2), "it", None, None) == stack).all()
    assert as_stack(stack[..., 0], "it", None, None).shape[:3] == (4, 20, 20)


def test_signed_and_unit_ranges_become_grey_levels():
    levels = np.linspace(0, 255, 2 * 8 * 8 * 3).reshape(2, 8, 8, 3)
    for given in (levels / 255, levels / 127.5 - 1):
        made = as_stack(given, "it", None, None)
        assert np.abs(made.astype(float) - levels).max() <= 1


def test_sizes_are_nearest_neighbours_and_never_grow():
    stack = np.arange(2 * 8 * 8).reshape(2, 8, 8, 1).astype(np.uint8)
    assert to_size(stack, 4, "it").shape == (2, 4, 4, 1) and to_size(stack, None, "it") is stack
    assert set(to_size(stack, 4, "it").ravel().tolist()) <= set(stack.ravel().tolist())
    with pytest.raises(CollectionError, match="smaller than the asked 16 px"):
        to_size(stack, 16, "it")


@pytest.mark.parametrize("array", [np.zeros((2, 8, 8), complex), np.zeros((2, 8, 9, 3)), np.zeros(5)])
def test_what_is_no_stack_of_squares_is_named(array):
    with pytest.raises(CollectionError, match=r"it (holds|has shape)"):
        as_stack(array, "it", None, None)
