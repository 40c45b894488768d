"""Errors of pairs of measurements."""

import numpy as np
import pandas as pd
import pytest

from eval.statistics.enhancement_result import difference, robust


def test_angles_differ_on_the_circle_and_only_where_there_is_one():
    table = pd.DataFrame({"position_angle": [89.0, 10.0, 50.0], "position_angle/target": [-89.0, 30.0, 0.0],
                          "ellipticity/target": [0.5, 0.5, 0.05]})  # fmt: skip
    found = difference(table, "position_angle")
    assert found[:2] == pytest.approx([-2.0, -20.0]) and np.isnan(found[2])


def test_bias_and_scatter_resist_failures():
    values = np.random.default_rng(1).normal(0.3, 0.1, 4001)
    values[:40] = 50
    assert robust(values) == (pytest.approx(0.3, abs=0.01), pytest.approx(0.1, rel=0.05))
    assert all(np.isnan(robust(np.array([np.nan]))))
