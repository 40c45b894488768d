"""The result of a comparison, as numbers and as JSON."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from eval.distances import compare
from eval.measure import measure
from gan.datasets.synthetic import draw


@pytest.fixture(scope="module")
def comparison():
    catalogue = measure(draw(80, size=32, seed=0)[0])
    return compare(catalogue[:40], catalogue[40:])


def test_the_metrics_are_finite_and_have_their_mlflow_names(comparison):
    metrics = comparison.metrics()
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["ks/flux"] == comparison.ks["flux"] and metrics["ks_floor"] == comparison.floor
    assert metrics["ks_mean"] == pytest.approx(sum(comparison.ks.values()) / 4)
    assert metrics["ks_max"] == max(comparison.ks.values())


def test_what_is_undefined_is_null_in_json(comparison):
    nothing = pd.DataFrame({name: [math.nan] * 5 for name in comparison.ks} | {"status": "failed"})
    for made in (comparison, compare(nothing, nothing)):
        assert json.loads(json.dumps(made.as_dict(), allow_nan=False))["n_real"] == made.n_real
    assert compare(nothing, nothing).as_dict()["energy"] is None
