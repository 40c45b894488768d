"""Rows that stand for a set."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import FieldError
from common.rows import evenly_spaced


@pytest.mark.parametrize(("count", "most"), [(10, 3), (10, 10), (3, 10), (61_578, 2000), (0, 5), (7, 1)])
def test_rows_are_spread_over_the_whole_set(count, most):
    rows = evenly_spaced(count, most)
    assert len(rows) == min(count, most) == len(set(rows.tolist()))
    assert rows.dtype == np.int64 and (np.diff(rows) > 0).all()
    if len(rows) > 1:
        gaps = np.diff(rows)
        assert gaps.max() - gaps.min() <= 1 and count - rows[-1] <= gaps.max() + 1
    if count <= most:
        assert rows.tolist() == list(range(count))


def test_a_set_sorted_by_class_keeps_its_shares():
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    taken = labels[evenly_spaced(len(labels), 100)]
    assert np.bincount(taken).tolist() == [50, 30, 20]


def test_what_cannot_be_asked_is_named():
    with pytest.raises(FieldError, match="most = 0"):
        evenly_spaced(5, 0)
