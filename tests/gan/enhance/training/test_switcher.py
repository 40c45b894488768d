from __future__ import annotations

import itertools
import math

import pytest

from common.errors import FieldError
from gan.enhance.config import SwitcherConfig
from gan.enhance.training.switcher import Turn, next_turn


def sides(config: SwitcherConfig, losses, steps: int) -> str:
    """The first letters of the networks that the steps train; `losses` maps a side to its loss."""
    turn, seen = Turn(), ""
    for _ in range(steps):
        seen += turn.side[0]
        turn = next_turn(config, turn, losses(turn.side) if callable(losses) else losses)
    return seen


def test_fixed_counts_steps_and_needs_no_loss():
    config = SwitcherConfig(kind="fixed", critic_steps=3, generator_steps=2)
    assert sides(config, None, 12) == "cccggcccggcc"


def test_adaptive_stays_until_the_loss_is_below_the_threshold():
    config = SwitcherConfig(critic_below=1.0, generator_below=0.5, max_steps=100)
    critic, generator = iter([1.4, 1.2, 1.0, 0.9, 1.1, 0.7]), iter([0.8, 0.4, 0.3])
    assert sides(config, lambda side: next(critic if side == "critic" else generator), 9) == "ccccggccg"


def test_a_loss_at_the_threshold_is_not_below_it():
    assert next_turn(SwitcherConfig(critic_below=1.0), Turn("critic"), 1.0).side == "critic"


@pytest.mark.parametrize("stuck", [5.0, math.inf, math.nan])
def test_neither_side_starves(stuck):
    """Whatever the losses, each side trains at least once in any `max_steps + 1` steps."""
    config = SwitcherConfig(critic_below=1.0, generator_below=1.0, max_steps=4)
    assert sides(config, stuck, 12) == "ccccggggcccc"
    one_sided = sides(config, lambda side: stuck if side == "generator" else 0.0, 40)
    for first in range(40 - config.max_steps):
        assert set(one_sided[first : first + config.max_steps + 1]) == {"c", "g"}


def test_both_dominant_means_they_alternate():
    assert sides(SwitcherConfig(), 0.0, 6) == "cgcgcg"


def test_smoothing_forgets_at_the_end_of_a_turn_and_rides_over_one_lucky_batch():
    config = SwitcherConfig(smoothing=0.9, critic_below=1.0, max_steps=50)
    turn = next_turn(config, Turn(), 1.4)
    turn = next_turn(config, turn, 0.2)
    assert turn.side == "critic"
    assert turn.average == pytest.approx(0.9 * 1.4 + 0.1 * 0.2)
    turns = list(itertools.accumulate([0.2] * 5, lambda state, loss: next_turn(config, state, loss), initial=turn))
    ended = next(state for state in turns if state.side == "generator")
    assert ended == Turn("generator")


def test_adaptive_without_a_loss_is_a_mistake():
    with pytest.raises(FieldError, match="loss = None"):
        next_turn(SwitcherConfig(), Turn(), None)


@pytest.mark.parametrize("turn", [Turn("nobody"), Turn("critic", -1)])
def test_turns_that_cannot_be_are_refused(turn):
    with pytest.raises(FieldError):
        next_turn(SwitcherConfig(), turn, 1.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kind", "random"), ("max_steps", 0), ("critic_steps", 0), ("critic_below", math.nan), ("smoothing", 1.0)],
)
def test_rules_that_cannot_work_are_refused(field, value):
    with pytest.raises(FieldError) as caught:
        SwitcherConfig(**{field: value})
    assert caught.value.field == field
