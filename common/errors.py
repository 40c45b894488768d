"""Errors that are the user's to mend, the exit codes of every command, and an error in one line."""

from __future__ import annotations

EXIT_OK, EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


class InputError(ValueError):
    """The user's input cannot be used; the message says what could."""


class FieldError(InputError):
    """A setting has a value that cannot work.

    Attributes
    ----------
    field : str
        Name of the setting, dotted if nested.
    value : object
        The value given.
    accepted : str
        What would be accepted, in words.
    """

    def __init__(self, field: str, value: object, accepted: str):
        self.field, self.value, self.accepted = field, value, accepted
        super().__init__(f"{field} = {value!r} does not work: expected {accepted}")

    def __reduce__(self) -> tuple[type[FieldError], tuple[str, object, str]]:
        return type(self), (self.field, self.value, self.accepted)


def require(condition: bool, field: str, value: object, accepted: str) -> None:
    """Refuse a value unless a condition holds.

    Parameters
    ----------
    condition : bool
        Whether the value can be used.
    field, value, accepted
        As in `FieldError`.

    Raises
    ------
    FieldError
        The condition does not hold.
    """
    if not condition:
        raise FieldError(field, value, accepted)


def in_words(error: BaseException, *, most: int = 160) -> str:
    """Return an error's class and its whole message on one line, at most `most` characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:most]


def first_line(error: BaseException, *, most: int = 300) -> str:
    """Return the first line of an error's message, at most `most` characters; its class where it has no message."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:most]
