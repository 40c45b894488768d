"""Checks that the configs of enhancers share; each raises `gan.config.FieldError`."""

from __future__ import annotations

import math

from common.errors import require


def choice(name: str, value: str, *accepted: str) -> None:
    """Raise `FieldError` for a value that is none of the accepted words."""
    require(value in accepted, name, value, " or ".join(f'"{one}"' for one in accepted))


def at_least(least: int, **values: int) -> None:
    """Raise `FieldError` for whole numbers, given by name, below `least`."""
    for name, value in values.items():
        require(value >= least, name, value, f"{least} or more")


def positive(**values: float) -> None:
    """Raise `FieldError` for numbers, given by name, that are not positive and finite."""
    for name, value in values.items():
        require(0 < value < math.inf, name, value, "a positive number")


def not_negative(**values: float) -> None:
    """Raise `FieldError` for numbers, given by name, that are negative or not finite."""
    for name, value in values.items():
        require(0 <= value < math.inf, name, value, "0 or a positive number")


def probability(**values: float) -> None:
    """Raise `FieldError` for numbers, given by name, outside [0, 1)."""
    for name, value in values.items():
        require(0 <= value < 1, name, value, "a probability in [0, 1)")
