"""Whose turn it is: a pure function from one step's loss to the next step's network.

Source: Wu 2021 (the blog), after fastai's switchers; the guard against starving is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from common.errors import FieldError, require
from gan.enhance.config import SwitcherConfig

Side = Literal["critic", "generator"]
OTHER: dict[Side, Side] = {"critic": "generator", "generator": "critic"}


@dataclass(frozen=True)
class Turn:
    """The network that the next step trains, and what led there.

    Attributes
    ----------
    side : {"critic", "generator"}
        Whose turn it is.
    steps : int
        Steps that it has had in this turn.
    average : float or None
        Its smoothed loss in this turn; None before the first step.
    """

    side: Side = "critic"
    steps: int = 0
    average: float | None = None


def next_turn(config: SwitcherConfig, turn: Turn, loss: float | None = None) -> Turn:
    """The turn after a step of `turn.side` that had this loss.

    `fixed` counts steps and needs no loss. `adaptive` ends a turn when the smoothed loss is below the side's threshold,
    and after `max_steps` steps in any case, whatever the loss is (NaN included): each side trains at least once in
    every `max_steps + 1` steps.

    Parameters
    ----------
    config : SwitcherConfig
        The rule.
    turn : Turn
        The turn that the step belonged to.
    loss : float or None
        The critic's loss, or the generator's adversarial term without its weight.

    Raises
    ------
    FieldError
        The turn is none, or an adaptive switcher is given no loss.
    """
    require(turn.side in OTHER, "side", turn.side, " or ".join(OTHER))
    require(turn.steps >= 0, "steps", turn.steps, "0 or more")
    steps, average = turn.steps + 1, None
    if config.kind == "fixed":
        over = steps >= (config.critic_steps if turn.side == "critic" else config.generator_steps)
    else:
        if loss is None:
            raise FieldError("loss", None, "the loss of each step for an adaptive switcher")
        average = loss if turn.average is None else config.smoothing * turn.average + (1 - config.smoothing) * loss
        below = config.critic_below if turn.side == "critic" else config.generator_below
        over = average < below or steps >= config.max_steps
    return Turn(OTHER[turn.side]) if over else Turn(turn.side, steps, average)
