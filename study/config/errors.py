"""What goes wrong through the user's input: one message, exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.errors import EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, InputError

__all__ = ["EXIT_FAILED", "EXIT_INPUT", "EXIT_INTERRUPTED", "EXIT_OK", "ConfigError", "InputError"]


class ConfigError(InputError):
    """A search-space file or an override cannot be used.

    Attributes
    ----------
    file : str
        The file, or `"--set"` for an override on the command line.
    line : int or None
        Line in `file`, counted from 1.
    key : str
        Dotted path of the offending key.
    value : object
        The value given.
    hint : str
        What would be accepted, or the nearest valid key.
    """

    def __init__(self, file: str | Path, line: int | None, key: str, value: Any, hint: str, problem: str = ""):
        self.file, self.line, self.key, self.value, self.hint = str(file), line, key, value, hint
        place = f"{file}:{line}" if line else str(file)
        given = "" if value is None and problem else f" = {_shown(value)}"
        super().__init__(f"{place}: {key}{given}: {problem + '; ' if problem else ''}{hint}")

    def __reduce__(self):
        return _rebuild, (self.args[0], self.__dict__.copy())


def _rebuild(message: str, state: dict[str, Any]) -> ConfigError:
    error = ConfigError.__new__(ConfigError)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
