"""Axes: kinds, bounds, lattices and conditions."""

import pytest

from study.config.errors import ConfigError
from study.config.schema import parse
from study.config.search_space import (
    Axis,
    Condition,
    grid,
    one_at_a_time,
    parse_axes,
    same,
    short,
    shown,
    shown_point,
    walk,
)

FILE = {"a": 1, "b": None, "c": "word", "n.x": 0.5, "n.y": True, "n.z": [0.5, 0.9]}


def base(path):
    if path not in FILE:
        raise ConfigError("f", None, path, None, "", "no such setting")
    return FILE[path]


def axes_of(text):
    raw, lines = parse(text, "f")
    return parse_axes(raw["axes"], lines=lines, file="f", base=base)


def axis_of(text):
    (axis,) = axes_of(f"axes: {{a: {text}}}")
    return axis


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("{int: [0, 3]}", (0, 1, 2, 3)),
        ("{int: [1, 10], step: 3}", (1, 4, 7, 10)),
        ("{int: [1, 11], step: 3}", (1, 4, 7, 10)),
        ("{int: [1, 10], log: true}", ()),
        ("{float: [0, 1]}", ()),
        ("{float: [0.1, 0.7], step: 0.1}", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ("{float: [0, 1], step: 0.4}", (0.0, 0.4, 0.8)),
        ("{float: [1e-14, 3e-14], step: 1e-14}", (1e-14, 2e-14, 3e-14)),
        ("{float: [1e-4, 1e-1], log: true}", ()),
        ("{choice: [x, 1, null, true]}", ("x", 1, None, True)),
        ("{points: [{a: 1, c: x}, {c: y, a: 2}]}", ({"a": 1, "c": "x"}, {"c": "y", "a": 2})),
    ],
)
def test_levels(text, levels):
    found = axis_of(text).levels()
    assert found == levels and list(map(type, found)) == list(map(type, levels))


def test_bounds_of_floats_are_floats_and_of_ints_ints():
    axis = axis_of("{float: [0, 1]}")
    assert type(axis.low) is float and type(axis.high) is float
    assert type(axis_of("{int: [0, 1]}").high) is int
    assert axis_of("{float: [1, 2], log: true}").log and not axis.log


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("{int: [0, 10], step: 5}", (0, 5, 10), (-5, 3, 15, None, "5", True, [5])),
        ("{float: [0.1, 0.7], step: 0.1}", (0.1, 0.3, 0.7), (0.15, 0.8)),
        ("{float: [0, 1]}", (0, 0.123, 1), (1.01, None)),
        ("{choice: [1, true, [0.5, 0.9], null]}", (1, 1.0, True, (0.5, 0.9), None), (0, False, "1")),
        ("{points: [{a: 1, c: x}]}", ({"c": "x", "a": 1},), ({"a": 1},)),
    ],
)
def test_what_an_axis_could_take(text, inside, outside):
    axis = axis_of(text)
    assert all(axis.contains(value) for value in inside)
    assert not any(axis.contains(value) for value in outside)


def test_choices_without_one_do_not_take_true():
    assert not axis_of("{choice: [1, 2]}").contains(True) and not axis_of("{choice: [true]}").contains(1)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("3", "axes.a", "expected one of {int: [low, high]}"),
        ("{}", "axes.a", "exactly one of int, float, choice, points"),
        ("{int: [0, 1], float: [0, 1]}", "axes.a", "exactly one of"),
        ("{int: [0, 1], stp: 1}", "axes.a.stp", "did you mean 'step'"),
        ("{choice: [0, 1], step: 1}", "axes.a.step", "unknown key"),
        ("{int: [0, 1, 2]}", "axes.a.int", "two whole numbers"),
        ("{int: [0.5, 1]}", "axes.a.int", "two whole numbers"),
        ("{int: [false, true]}", "axes.a.int", "two whole numbers"),
        ("{int: 3}", "axes.a.int", "two whole numbers"),
        ("{float: [0, x]}", "axes.a.float", "two numbers"),
        ("{float: [0, .inf]}", "axes.a.float", "two numbers"),
        ("{float: [.nan, 1]}", "axes.a.float", "two numbers"),
        ("{float: [1, 1]}", "axes.a.float", "low < high"),
        ("{float: [2, 1]}", "axes.a.float", "low < high"),
        ("{float: [0, 1], log: true}", "axes.a.float", "low > 0 on a log axis"),
        ("{float: [1, 2], log: 1}", "axes.a.log", "true or false"),
        ("{float: [1, 2], log: true, step: 0.5}", "axes.a.step", "drop step on a log axis"),
        ("{float: [1, 2], step: 0}", "axes.a.step", "a positive step of at most 1"),
        ("{float: [1, 2], step: 1.5}", "axes.a.step", "a positive step of at most 1"),
        ("{int: [1, 3], step: 0.5}", "axes.a.step", "a positive step of at most 2"),
        ("{float: [0, 1], step: 1e-6}", "axes.a.step", "expected a larger step"),
        ("{choice: []}", "axes.a.choice", "at least one value"),
        ("{choice: 3}", "axes.a.choice", "at least one value"),
        ("{choice: [1, 2, 1.0]}", "axes.a.choice", "appears twice"),
        ("{points: [3]}", "axes.a.points", "each point is a mapping"),
        ("{points: [{}]}", "axes.a.points", "each point is a mapping"),
        ("{points: [{a: 1}, {c: 2}]}", "axes.a.points", "every point sets a"),
        ("{points: [{a: 1}, {a: 1}]}", "axes.a.points", "appears twice"),
        ("{points: [{q: 1}]}", "q", "no such setting"),
        ("{int: [0, 1], when: c}", "axes.a.when", "below | above | equals | one_of"),
        ("{int: [0, 1], when: {c: x}}", "axes.a.when.c", "expected one of below, above, equals, one_of"),
        ("{int: [0, 1], when: {c: {below: 1, above: 0}}}", "axes.a.when.c", "expected one of"),
        ("{int: [0, 1], when: {c: {below: x}}}", "axes.a.when.c.below", "expected a number"),
        ("{int: [0, 1], when: {c: {above: true}}}", "axes.a.when.c.above", "expected a number"),
        ("{int: [0, 1], when: {c: {one_of: x}}}", "axes.a.when.c.one_of", "expected a list"),
        ("{int: [0, 1], when: {q: {equals: x}}}", "q", "no such setting"),
        ("{int: [0, 1], when: {c: {equals: x}}}", "axes.a.when.c", "is not an axis"),
    ],
)
def test_faults_of_an_axis(text, key, says):
    with pytest.raises(ConfigError) as caught:
        axis_of(text)
    assert caught.value.key == key and says in str(caught.value)


def test_axes_are_a_mapping_or_nothing():
    assert parse_axes(None, lines={}, file="f", base=base) == ()
    assert axes_of("axes: {a: null}") == ()
    with pytest.raises(ConfigError, match="expected a mapping of config paths"):
        axes_of("axes: [a]")


def test_one_axis_sets_a_path():
    with pytest.raises(ConfigError, match="a is set by a too; let one axis set it"):
        axes_of("axes: {a: {int: [0, 1]}, both: {points: [{a: 1, c: x}]}}")


def test_axes_come_before_those_that_depend_on_them():
    order = axes_of(
        "axes: {a: {int: [0, 1], when: {b: {above: 0}}}, b: {int: [0, 1], when: {c: {equals: x}}}, "
        "n.x: {float: [0, 1]}, both: {points: [{c: x}, {c: y}]}}"
    )
    assert [axis.name for axis in order] == ["n.x", "both", "b", "a"]


def test_conditions_in_a_ring_are_refused():
    with pytest.raises(ConfigError, match="depends on itself"):
        axes_of("axes: {a: {int: [0, 1], when: {b: {above: 0}}}, b: {int: [0, 1], when: {a: {above: 0}}}}")
    with pytest.raises(ConfigError, match="depends on itself"):
        axes_of("axes: {a: {int: [0, 1], when: {a: {above: 0}}}}")


@pytest.mark.parametrize(
    ("operator", "bound", "holds", "fails"),
    [
        ("below", 2, (1, -5, 1.99), (2, 3, None)),
        ("above", 2, (3, 2.01), (2, 1, None)),
        ("equals", "x", ("x",), ("y", None)),
        ("equals", None, (None,), (0, "")),
        ("equals", True, (True,), (False, None)),
        ("one_of", ["x", 3, None], ("x", 3, None), ("y", 4)),
    ],
)
def test_conditions(operator, bound, holds, fails):
    condition = Condition("a", operator, bound)
    assert all(condition.holds(value) for value in holds)
    assert not any(condition.holds(value) for value in fails)


@pytest.mark.parametrize("other", ["c: {choice: [x, y]}", "both: {points: [{c: x, b: 3}]}", "c: {choice: [[1], [2]]}"])
def test_words_are_neither_below_nor_above_anything(other):
    with pytest.raises(ConfigError, match="c is not always a number") as caught:
        axes_of(f"axes: {{{other}, a: {{int: [0, 1], when: {{c: {{below: 3}}}}}}}}")
    assert caught.value.key == "axes.a.when.c"


def test_an_absent_number_may_be_compared():
    axes = axes_of("axes: {b: {choice: [null, 3]}, a: {int: [0, 1], when: {b: {below: 5}}}}")
    assert list(grid(axes, base)) == [{"b": None}, {"b": 3, "a": 0}, {"b": 3, "a": 1}]


def test_a_walk_leaves_out_what_its_conditions_exclude():
    axes = axes_of("axes: {b: {int: [0, 9]}, a: {int: [0, 9], when: {b: {above: 4}}}, both: {points: [{c: x}]}}")
    asked = []

    def suggest(axis, values):
        asked.append(axis.name)
        return values[axis.name]

    for b, point in ((5, {"b": 5, "a": 2, "c": "x"}), (4, {"b": 4, "c": "x"})):
        values = {"b": b, "a": 2, "both": {"c": "x"}}
        assert walk(axes, base, lambda axis, values=values: suggest(axis, values)) == point
    assert asked == ["b", "both", "a", "b", "both"]


def test_a_condition_on_an_inactive_axis_looks_at_the_file():
    axes = axes_of(
        "axes: {c: {choice: [word, other]}, b: {int: [1, 2], when: {c: {equals: word}}}, "
        "a: {int: [1, 2], when: {b: {above: 0}}}}"
    )
    points = list(grid(axes, base))
    assert {"c": "other"} in points, "b is null in the file, so a is off too"
    assert len(points) == 1 + 2 * 2


def test_a_grid_is_the_product_of_its_levels():
    axes = axes_of("axes: {a: {int: [1, 3]}, n.x: {float: [0, 1], step: 0.5}, both: {points: [{c: x}, {c: y}]}}")
    points = list(grid(axes, base))
    assert len(points) == 3 * 3 * 2 == len({tuple(sorted(p.items())) for p in points})
    assert {"a": 3, "n.x": 0.5, "c": "y"} in points


def test_one_at_a_time_leaves_out_what_the_file_says():
    axes = axes_of(
        "axes: {a: {int: [0, 2]}, n.y: {choice: [true, false]}, n.z: {choice: [[0.5, 0.9], [0.0, 0.9]]}, "
        "both: {points: [{c: word, b: null}, {c: word, b: 3}]}}"
    )
    assert list(one_at_a_time(axes, base)) == [
        ("a", {"a": 0}),
        ("a", {"a": 2}),
        ("n.y", {"n.y": False}),
        ("n.z", {"n.z": [0.0, 0.9]}),
        ("both", {"c": "word", "b": 3}),
    ]


def test_equality_of_settings():
    assert same(1, 1.0) and same([1, 2], (1, 2)) and same({"a": 1, "b": 2}, {"b": 2, "a": 1}) and same(None, None)
    assert not same(True, 1) and not same(0, False) and not same("1", 1) and not same(None, 0)


def test_words_of_tables():
    assert [shown(v) for v in (None, True, False, 0.00012345, 3, "x", (1, None))] == [
        "none", "on", "off", "0.0001234", "3", "x", "(1, none)"
    ]  # fmt: skip
    assert short("train.dropout.p") == "dropout.p" and short("model.width") == "width" and short("a") == "a"
    assert shown_point({"train.dropout.p": 0.5, "model.width": 8}) == "dropout.p=0.5 width=8"


def test_bounds_in_words():
    when = (Condition("train.epochs", "one_of", [1, 2]),)
    assert Axis("a", "int", low=0, high=40, step=10, when=when).describe() == (
        "[0, 40] step 10 when train.epochs one of (1, 2)"
    )
    assert Axis("a", "float", low=1e-4, high=0.1, log=True).describe() == "[0.0001, 0.1] log"
    assert Axis("a", "choice", values=(None, True, "x")).describe() == "{none, on, x}"
    assert Axis("a", "points", values=({"m.a": 1, "m.b": 2}, {"m.a": 2, "m.b": 1})).describe() == "{a=1 b=2; a=2 b=1}"
    assert Axis("a", "points", values=({"x": 1},)).as_point({"x": 1}) == {"x": 1}
    assert Axis("a", "choice", values=(1,)).as_point(1) == {"a": 1}
