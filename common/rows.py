"""Which rows stand for a set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from common.errors import require


def evenly_spaced(count: int, most: int) -> npt.NDArray[np.int64]:
    """Return at most `most` row numbers of `count`, spread evenly: a set sorted by class keeps all of its classes.

    Parameters
    ----------
    count : int
        Rows that there are, 0 or more.
    most : int
        Rows to take at most, 1 or more.

    Returns
    -------
    (n,) int64 array
        Ascending, without repeats; n is the smaller of `count` and `most`.
    """
    require(count >= 0, "count", count, "0 or more rows")
    require(most >= 1, "most", most, "1 or more rows")
    taken = min(count, most)
    return np.arange(taken, dtype=np.int64) * count // max(1, taken)
