"""Checks that settings share: the bounds themselves, and the name of what is refused."""

import math

import pytest

from common.errors import FieldError
from gan.enhance.checks import at_least, choice, not_negative, positive, probability


def test_the_bounds_belong_to_what_is_accepted():
    at_least(2, a=2, b=3)
    positive(a=1e-9)
    not_negative(a=0.0)
    probability(a=0.0, b=0.999)
    choice("a", "x", "x", "y")


@pytest.mark.parametrize(
    "refused",
    [
        lambda: at_least(2, a=2, wrong=1),
        lambda: positive(wrong=0.0),
        lambda: positive(wrong=math.inf),
        lambda: not_negative(wrong=-1e-9),
        lambda: not_negative(wrong=math.nan),
        lambda: probability(wrong=1.0),
        lambda: choice("wrong", "z", "x", "y"),
    ],
)
def test_what_is_refused_is_named(refused):
    with pytest.raises(FieldError) as caught:
        refused()
    assert caught.value.field == "wrong"
