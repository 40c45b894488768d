"""From YAML to dataclasses: numbers as people write them, and a line for every fault."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from common.errors import require
from study.config.errors import ConfigError
from study.config.schema import bind, describe, field_types, locate, nearest, parse


@dataclass(frozen=True, kw_only=True)
class Inner:
    p: float = 0.5

    def __post_init__(self):
        require(self.p < 1, "p", self.p, "less than 1")


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    rate: float = 1.0
    active: bool = False
    name: str = "x"
    mode: Literal["a", "b", 3] = "a"
    pair: tuple[float, float] = (0.0, 1.0)
    many: tuple[int, ...] = ()
    one_or_more: str | tuple[str, ...] = "x"
    maybe: int | None = None
    inner: Inner = field(default_factory=Inner)
    maybe_inner: Inner | None = None
    free: Any = None


def value_of(text):
    return parse(f"x: {text}", "f")[0]["x"]


def bound(text):
    values, lines = parse(text, "f")
    return bind(Outer, values, path="", lines=lines, file="f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2e-4", 2e-4), ("2E4", 2e4), ("-1e+3", -1000.0), ("2.e3", 2000.0), ("1.5e3", 1500.0), (".5", 0.5),
        ("1_000", 1000), ("1_000.5", 1000.5), ("1_0e2", 1000.0), ("0x10", 16), ("0o17", "0o17"), ("017", 15),
        ("1e", "1e"), ("e4", "e4"), ("1e4x", "1e4x"), ("'2e-4'", "2e-4"), ("~", None), ("", None), ("yes", True),
        ("off", False), ("1:30", 90), ("[1, 2e1, {a: 3}]", [1, 20.0, {"a": 3}]),
    ],
)  # fmt: skip
def test_scalars_are_read_as_people_write_them(text, value):
    found = value_of(text)
    assert found == value and type(found) is type(value)


def test_infinities_and_nan_are_numbers():
    assert value_of("-.inf") == -math.inf and math.isnan(value_of(".nan"))


@pytest.mark.parametrize("text", ["2020-01-01", "!!binary aGk=", "2001-12-14 21:59:43"])
def test_what_yaml_takes_for_something_else_is_to_be_quoted(text):
    with pytest.raises(ConfigError, match=r"f:1: x = .* is read as a .*; put it in quotes"):
        value_of(text)
    assert value_of(f"'{text}'") == text


def test_lines_of_keys():
    _, lines = parse("a: 1\nb:\n  c: {d: 2,\n      e: 3}\n  f:\n    - {g: 4}\n", "file.yaml")
    expected = {"a": 1, "b": 2, "b.c": 3, "b.c.d": 3, "b.c.e": 4, "b.f": 5, "b.f[0].g": 6}
    assert lines == {key: ("file.yaml", line) for key, line in expected.items()}


def test_a_key_without_a_line_stands_where_its_mapping_does():
    lines = {"a": ("f", 1), "a.b": ("f", 2)}
    assert locate(lines, "a.b.c.d", "f") == ("f", 2)
    assert locate(lines, "a.x", "f") == ("f", 1)
    assert locate(lines, "z.b", "other") == ("other", None)


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("a: 1\nb: [1,\n", 3, "YAML", "cannot be read"),
        ("a: 1\n\tb: 2", 2, "YAML", "cannot be read"),
        ("- a", 1, "file", "not a study"),
        ("a: {b: 1,\n    b: 2}", 2, "a.b", "is set twice"),
        ("a: 1\n1: 2", 2, "file", "keys are words"),
        ("a: {1: 2}", 1, "a", "keys are words"),
        ("a: 1\non: 2", 2, "file", "keys are words"),
        ("a: 1\n=: 2", 2, "file", "write it plainly"),
        ("a: 1\n? [b]\n: 2", 2, "file", "keys are words"),
        ("a: &x {b: 1}\nc: {<<: *x}", 2, "c", "merge keys are not supported"),
        ("a: &x [*x]", 1, "a[0]", "refers to itself"),
        ("a: !!python/object:os.system x", 1, "a", "write it plainly"),
        ("a: !!int word", 1, "a", "write it plainly"),
        ("a: " + "[" * 3000, None, "YAML", "cannot be read"),
    ],
)
def test_faults_of_the_text(text, line, key, says):
    with pytest.raises(ConfigError, match=says) as caught:
        parse(text, "f")
    assert caught.value.key == key
    assert caught.value.line == line or line is None


def test_an_anchor_may_be_used_twice():
    assert parse("a: &x {b: 1}\nc: *x\nd: *x", "f")[0] == {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1}}


def test_values_become_what_their_fields_say():
    made = bound(
        "{count: 3.0, rate: 2, active: true, name: n, mode: 3, pair: [1, 2], many: [1, 2.0], one_or_more: [a, b], "
        "maybe: null, inner: {p: 0}, maybe_inner: {p: 0.1}, free: [1]}"
    )
    assert made == Outer(
        count=3, rate=2.0, active=True, name="n", mode=3, pair=(1.0, 2.0), many=(1, 2), one_or_more=("a", "b"),
        inner=Inner(p=0.0), maybe_inner=Inner(p=0.1), free=[1],
    )  # fmt: skip
    assert type(made.count) is int and type(made.rate) is float and type(made.inner.p) is float
    assert type(made.many[1]) is int


@pytest.mark.parametrize(
    ("text", "key", "accepted"),
    [
        ("count: 1.5", "count", "a whole number"),
        ("count: true", "count", "a whole number"),
        ("count: 1e300", "count", "a whole number"),
        ("count: 9007199254740992", "count", "a whole number"),
        ("rate: true", "rate", "a number"),
        ("rate: .inf", "rate", "a number"),
        ("rate: .nan", "rate", "a number"),
        ("active: 1", "active", "true or false"),
        ("name: 1", "name", "text"),
        ("mode: c", "mode", "one of a, b, 3"),
        ("mode: [a]", "mode", "one of a, b, 3"),
        ("pair: [1]", "pair", "a list of 2 (a number)"),
        ("pair: 1", "pair", "a list of 2 (a number)"),
        ("many: [1, x]", "many", "a list of a whole number"),
        ("one_or_more: [1]", "one_or_more", "text or a list of text"),
        ("maybe: x", "maybe", "a whole number or null"),
    ],
)
def test_a_value_of_another_type_is_refused_in_words(text, key, accepted):
    with pytest.raises(ConfigError) as caught:
        bound(f"name: y\n{text}\n" if not text.startswith("name") else f"rate: 0\n{text}\n")
    assert (caught.value.key, caught.value.line) == (key, 2)
    assert f"expected {accepted}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("count: 1\nrat: 2", "rat", "unknown key; did you mean 'rate'"),
        ("count: 1\nzzzzzzz: 2", "zzzzzzz", "valid keys: active, count, free, inner"),
        ("active: yes\nrate: 2", "count", "is missing; it has no default"),
        ("count: 1\ninner: {p: 1}", "inner.p", "expected less than 1"),
        ("count: 1\ninner: {q: 1}", "inner.q", "valid keys: p"),
        ("count: 1\ninner: 1", "inner", "expected a mapping with p"),
        ("count: 1\nmaybe_inner: {p: 2}", "maybe_inner.p", "expected less than 1"),
    ],
)
def test_faults_inside_a_mapping(text, key, says):
    with pytest.raises(ConfigError) as caught:
        bound(text)
    assert caught.value.key == key and says in str(caught.value)
    assert caught.value.line == (None if key == "count" else 2)


def test_hints():
    assert nearest("widht", ["width", "depth"]) == "did you mean 'width'?"
    assert nearest("q", ["b", "a"]) == "valid keys: a, b"
    assert describe(tuple[int, ...] | None) == "a list of a whole number or null"
    assert describe(Outer) == "Outer"


def test_field_types_are_resolved():
    types = field_types(Outer)
    assert list(types) == [f.name for f in dataclasses.fields(Outer)] and types["inner"] is Inner
