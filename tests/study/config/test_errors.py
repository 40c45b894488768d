"""What the user reads when the input is wrong."""

import multiprocessing
import pickle

import pytest

from common.errors import InputError
from study.config.errors import ConfigError


def test_the_message_says_where_what_and_what_would_do():
    error = ConfigError("space.yaml", 7, "train.lr", -1.0, "expected a positive number")
    assert str(error) == "space.yaml:7: train.lr = -1.0: expected a positive number"
    assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("line", "value", "problem", "text"),
    [
        (None, 3, "", "--set: k = 3: hint"),
        (2, None, "is missing", "--set:2: k: is missing; hint"),
        (2, None, "", "--set:2: k = None: hint"),
        (2, "", "unknown key", "--set:2: k = '': unknown key; hint"),
    ],
)
def test_parts_that_are_absent_leave_no_gap(line, value, problem, text):
    assert str(ConfigError("--set", line, "k", value, "hint", problem)) == text


def test_long_values_are_cut():
    message = str(ConfigError("f", 1, "k", "x" * 10_000, "hint"))
    assert len(message) < 120 and message.endswith("...: hint")


def test_it_survives_pickling():
    error = ConfigError("space.yaml", 7, "train.lr", [1, 2], "hint", "problem")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ConfigError and str(again) == str(error) and again.__dict__ == error.__dict__


def test_it_comes_whole_out_of_another_process():
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(ConfigError) as caught:
        pool.apply(_refuse)
    assert (caught.value.file, caught.value.line, caught.value.value) == ("space.yaml", 3, 0)


def _refuse():
    raise ConfigError("space.yaml", 3, "k", 0, "hint")
