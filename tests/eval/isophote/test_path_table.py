"""Walks that are tabulated."""

import numpy as np

from eval.isophote import path, path_table


def test_most_of_the_walks_are_tabulated_and_a_runaway_ends():
    table = path_table.starts_table(512, 20.0, 0.1)
    usable = table.steps > 0
    edges = path.MIN_Q ** (np.arange(path.PANELS) / path.PANELS)
    assert usable[:, :, edges > 0.35].all() and usable.mean() > 0.85
    points, space = path.room(512)
    walk = path.make_walk(points[0], space[0])
    for eps in (-np.inf, np.nan, 1.0, 1.5):
        assert not path.trace(walk, table, 3, 0.1, 20.0 * 1.1**3, eps, 20.0, 0.2, True)
