"""The registry of metrics: what is registered once is known everywhere, and no metric lacks what others ask of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from eval.measure import measure
from eval.metrics import GALAXIES, PAIRS, Metric, Registry, Sample, Samples
from gan.datasets.synthetic import draw


def registry() -> Registry[float]:
    made: Registry[float] = Registry()
    made.add(Metric(name="size", key="size", label="size", group="g", value=abs, sense="largest", worst=0.0))
    return made


def test_the_cost_of_a_metric_is_smaller_where_the_metric_is_better():
    def metric(sense):
        return Metric(name="m", key="k", label="", group="", value=abs, sense=sense, worst=7.0)

    assert [metric("smallest").cost({"k": v}) for v in (0.1, 0.2)] == [0.1, 0.2]
    assert [metric("largest").cost({"k": v}) for v in (0.1, 0.2)] == [-0.1, -0.2]
    assert [metric("nearest 0").cost({"k": v}) for v in (-0.1, 0.2)] == [0.1, 0.2]
    assert metric("largest").cost({}) == 7.0 and metric("largest").shown(-0.2) == 0.2


def test_what_cannot_be_computed_is_left_out():
    made = registry()
    made.add(Metric(name="nan", key="nan", label="", group="", value=lambda judged: math.nan))
    made.add(Metric(name="none", key="none", label="", group="", value=lambda judged: None))
    assert made.evaluate(-3.0) == {"size": 3.0}


def test_a_name_or_key_is_taken_once():
    made = registry()
    for name, key in (("size", "other"), ("other", "size")):
        with pytest.raises(ValueError, match="already"):
            made.add(Metric(name=name, key=key, label="", group="", value=abs))


def test_a_registered_function_is_an_objective_of_the_search_at_once():
    made = registry()

    @made.metric("double", label="twice", group="g", worst=9.0)
    def double(judged):
        return 2 * judged

    assert made.objectives == ("size", "double")
    assert made.evaluate(2.0)["double"] == 4.0 and made["double"].cost({}) == 9.0


def test_the_worst_is_no_better_than_any_value():
    for metric in GALAXIES:
        assert metric.sense == "smallest" and metric.worst >= 1
    for metric in PAIRS:
        assert math.isfinite(metric.worst)
        best = {"psnr": 100.0}.get(metric.name, 0.5)
        assert metric.worst > metric.cost({metric.key: best})


def test_every_metric_of_galaxies_is_computed_with_its_floor():
    images, _ = draw(90, size=32, seed=0)
    real, generated = images[:50], images[50:]
    found = GALAXIES.evaluate(Samples(Sample(measure(real), real), Sample(measure(generated), generated)))
    for metric in GALAXIES:
        assert metric.key in found, metric.name
        assert 0 < found[f"floor/{metric.key}"] < 10
    assert found["floor_95/ks/flux"] > found["floor/ks/flux"] and "floor_95/ks_mean" not in found
    assert found["ks_max"] == max(found[f"ks/{name}"] for name in ("ellipticity", "position_angle", "flux",
                                                                   "semi_major_axis"))  # fmt: skip


def test_without_images_only_their_metrics_are_missing():
    images, _ = draw(60, size=32, seed=1)
    catalogue = measure(images)
    found = GALAXIES.evaluate(Samples(Sample(catalogue[:30]), Sample(catalogue[30:])))
    assert {metric.key for metric in GALAXIES} - set(found) == {"spectrum"}


def test_the_four_shapes_lead_every_list():
    groups = list(dict.fromkeys(metric.group for metric in GALAXIES))
    assert groups[0].startswith("Shapes") and groups[-1] == "What shapes do not see"
    assert GALAXIES.objectives[0] == "ks_mean"


def test_the_readme_names_every_objective():
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    assert [name for name in GALAXIES.objectives if f"`{name}`" not in readme] == []
    assert [name for name in PAIRS.objectives if "/" not in name and f"`{name}`" not in readme] == []
