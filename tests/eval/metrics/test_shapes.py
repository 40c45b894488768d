"""Metrics of measured shapes: what they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics import GALAXIES, Sample, Samples
from eval.metrics.shapes import SHAPES
from eval.properties import PROPERTIES


@pytest.fixture(scope="module")
def samples():
    import pandas as pd

    rng = np.random.default_rng(0)

    def catalogue(n, shift):
        columns = {name: rng.normal(10 + shift * (name == "flux"), 1, n) for name in PROPERTIES}
        return pd.DataFrame({**columns, "ellipticity": rng.uniform(0, 0.9, n), "status": "ok"})

    return Samples(Sample(catalogue(400, 0)), Sample(catalogue(300, 3)))


def test_only_the_shifted_property_is_far(samples):
    found = GALAXIES.evaluate(samples)
    far = {name for name in PROPERTIES if found[f"ks/{name}"] > found[f"floor_95/ks/{name}"] * 1.5}
    assert far == {"flux"} and found["ks/flux"] > 0.8


def test_mean_and_largest_are_those_of_the_four(samples):
    found = GALAXIES.evaluate(samples)
    four = [found[f"ks/{name}"] for name in PROPERTIES]
    assert found["ks_mean"] == pytest.approx(np.mean(four)) and found["ks_max"] == max(four)


def test_each_of_the_four_is_an_objective_listed_under_shapes():
    shapes = [metric.name for metric in GALAXIES if metric.group == SHAPES]
    assert shapes == ["ks_mean", "ks_max", *PROPERTIES] and set(shapes) <= set(GALAXIES.objectives)


def test_the_floor_of_the_largest_is_what_the_largest_of_four_is_by_chance():
    """Mean over pairs of disjoint samples of one population; above that of one property."""
    import pandas as pd

    rng = np.random.default_rng(1)

    def catalogue():
        columns = {name: rng.normal(10, 1, 300) for name in PROPERTIES}
        return pd.DataFrame({**columns, "ellipticity": rng.uniform(0, 0.9, 300), "status": "ok"})

    found = [GALAXIES.evaluate(Samples(Sample(catalogue()), Sample(catalogue()))) for _ in range(30)]
    chance = np.mean([figures["ks_max"] for figures in found])
    floor = np.mean([figures["floor/ks_max"] for figures in found])
    assert floor == pytest.approx(chance, rel=0.1)
    assert floor > 1.2 * found[0]["floor/ks/flux"]
