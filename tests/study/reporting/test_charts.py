"""Charts as SVG: every mark has its tooltip, the floor its band, and nothing is loaded or named twice."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from study.reporting.charts import Curve, Dot, Floor, objective_chart, scatter_chart

FLOOR = Floor(0.1, 0.15)


def curves(count: int, points: int = 3) -> list[Curve]:
    kinds = ["best", "baseline", *["other"] * (count - 3), "stopped"]
    return [
        Curve(f"{n:04d}", f"trial {n} <{kind}>", [(e, 0.2 + 0.001 * n) for e in range(1, points + 1)], kind)
        for n, kind in enumerate(kinds)
    ]


def drawn(count: int = 4, **more) -> ElementTree.Element:
    text = objective_chart(curves(count), metric="ks_mean", epochs=3, floor=FLOOR, rungs=[1, 3], **more)
    return ElementTree.fromstring(text.replace("xlink:", ""))


def test_each_curve_is_a_group_with_its_tooltip():
    found = [g.findtext("title") for g in drawn().iter("g") if g.get("class") == "curve"]
    assert sorted(found) == ["trial 0 <best>", "trial 1 <baseline>", "trial 2 <other>", "trial 3 <stopped>"]


def test_the_floor_is_a_band_up_to_its_95_percent_point():
    svg = drawn()
    (band,) = (g for g in svg.iter("g") if g.findtext("title") == "noise floor 0.100, 95% below 0.150")
    numbers = [float(n) for n in re.findall(r"[\d.]+", band.find("path").get("d"))]
    heights = [n for n in numbers[1::2]]
    top = 1.04 * 0.203  # of the axes, which end 44 px above the bottom of 400 and are 322 px high
    assert max(heights) == pytest.approx(356)
    assert min(heights) == pytest.approx(356 - 322 * 0.15 / top, abs=0.1)


def test_rungs_names_and_axes_are_text():
    texts = [node.text for node in drawn().iter("text")]
    assert {"rung 1", "rung 3", "floor", "epoch", "ks_mean", "0000", "0003"} <= set(texts)


def test_nothing_is_loaded_and_no_name_is_unused():
    text = objective_chart(curves(4), metric="a & b", epochs=3, floor=FLOOR, rungs=[])
    assert "http" not in text and "url(" not in text and "<style" not in text
    assert set(re.findall(r' id="(.*?)"', text)) == set(re.findall(r'href="#(.*?)"', text))


def test_a_thousand_trials_stay_small():
    text = objective_chart(curves(1000, points=20), metric="ks_mean", epochs=20, floor=FLOOR, rungs=[])
    assert text.count('class="curve"') == 1000
    assert len(text) < 1_000_000


def test_each_dot_has_its_tooltip_whatever_its_kind():
    kinds = ("other", "stopped", "best", "baseline", "other")
    dots = [Dot(10.0**-n, 0.3, f"dot {n}", kind) for n, kind in enumerate(kinds, 1)]
    text = scatter_chart(dots, title="lr", categories=None, bounds=(1e-5, 0.1), log=True, top=0.5, floor=None)
    titles = re.findall(r"<title>(.*?)</title>", text)
    assert sorted(titles) == [f"dot {n}" for n in range(1, 6)]
    assert "noise floor" not in text


def test_categories_are_named_and_long_names_cut():
    dots = [Dot(0, 0.3, "a", "other"), Dot(1, 0.2, "b", "best")]
    names = ["$x_1$", "a name that is far too long for its place"]
    text = scatter_chart(dots, title="x", categories=names, bounds=(0, 1), log=False, top=0.5, floor=FLOOR)
    assert ">$x_1$</text>" in text and "a name that is far too…" in text
