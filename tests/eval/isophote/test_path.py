"""Walks round an ellipse: the compiled ones against a plain loop."""

import numpy as np
import pytest

from eval.isophote import path, path_table


def walked(sma, eps, phi, r):
    """photutils' walk in its own words: angles and radii."""
    phis, radii = [], []
    while phi <= 2 * np.pi + 0.05:
        phis.append(phi)
        radii.append(r)
        phi += min(1.0 / r, 0.5)
        r = sma * (1 - eps) / np.hypot((1 - eps) * np.cos(phi), np.sin(phi))
    return np.array(phis), np.array(radii)


@pytest.mark.parametrize("eps", [-1.5, -0.02, 0.0, 0.013, 0.2, 0.5, 0.77, 0.9, 0.949])
@pytest.mark.parametrize("inherits", [False, True])
def test_walks_are_those_of_the_plain_loop(eps, inherits):
    table = path_table.starts_table(512, 20.0, 0.1)
    points, space = path.room(512)
    sma = 20.0
    begin = sma
    for index in range(28):
        if index:
            begin = begin if inherits else sma
            walk = path.make_walk(points[0], space[0])
            assert path.trace(walk, table, index, 0.1, sma, eps, begin, eps, False)
            count = int(walk.head[path.COUNT])
            phis, radii = walked(sma, eps, *path.start(begin, eps, 0.1))
            assert count == len(phis)
            x, y = walk.points[path.X, :count], walk.points[path.Y, :count]
            found = np.sort_complex(np.round(x + 1j * y, 4))
            assert np.abs(found - np.sort_complex(np.round(radii * np.exp(1j * phis), 4))).max() < 3e-4
            assert np.abs(np.exp(1j * phis).sum() - walk.points[:2, :count].T.dot([1, 1j]).sum()) < 1e-6
        begin, sma = sma, sma * 1.1
