"""Errors in words: which setting, what would work, and how an error looks in one line."""

import pickle

import pytest

from common.errors import FieldError, InputError, first_line, in_words, require


def test_an_error_in_one_line():
    assert first_line(ValueError("\n  one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("x" * 500), most=10) == "x" * 10
    assert in_words(OSError("one\n  two")) == "OSError: one two" and len(in_words(ValueError("x" * 500))) == 160


def test_a_setting_is_named_with_what_would_work():
    error = FieldError("train.lr", -1, "a number above 0")
    assert str(error) == "train.lr = -1 does not work: expected a number above 0" and isinstance(error, InputError)


def test_require_raises_for_what_does_not_hold_and_the_error_travels_between_processes():
    require(True, "n", 0, "anything")
    with pytest.raises(FieldError) as caught:
        require(False, "n", 0, "1 or more")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.field, again.value, again.accepted) == ("n", 0, "1 or more") and str(again) == str(caught.value)
