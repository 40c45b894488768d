"""From a command's arguments to its exit code: every `python -m ...` of this program ends the same way."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from common.errors import EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED, InputError, first_line

Explain = Callable[[BaseException], str | None]


def run_command(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[argparse.Namespace], int],
    *,
    interrupted: str = "interrupted; nothing was written",
    go_on: Callable[[list[str]], str] | None = None,
    explain: Explain | None = None,
) -> int:
    """Parse, call `run(options)` and return its exit code, or that of what went wrong, said in one message.

    Parameters
    ----------
    parser : ArgumentParser
        Its `prog` names the command.
    arguments : sequence of str or None
        None: those of this process.
    run : callable
        Raises `InputError` for what the user can mend (exit code 2); Ctrl-C and SIGTERM end it with `KeyboardInterrupt`
        (exit code 130).
    interrupted : str
        What to say then.
    go_on : callable, optional
        From the arguments given to the command that continues; shown after an interruption and a failure.
    explain : callable, optional
        From any other exception to what happened, in a sentence (exit code 1), or None: it is raised again.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong input, 130 interrupted; argparse itself exits with 2.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    errors = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        errors.print(text, markup=False, soft_wrap=True)

    continued = f"\n  {go_on(given)}" if go_on else ""
    before = signal.getsignal(signal.SIGTERM)
    try:
        take_sigterm_as_ctrl_c()
        return run(options)
    except InputError as error:
        say(f"error: {error}")
        return EXIT_INPUT
    except KeyboardInterrupt:
        say(f"\n{interrupted}{continued}")
        return EXIT_INTERRUPTED
    except Exception as error:
        reason = explain(error) if explain else None
        if reason is None:
            raise
        say(f"error: {reason}{continued}")
        return EXIT_FAILED
    finally:
        _restore(before)


def take_sigterm_as_ctrl_c() -> None:
    """Let SIGTERM raise `KeyboardInterrupt`, in the main thread; elsewhere signals are left as they are.

    Ray puts a handler of its own in place when it starts: call this after it too.
    """
    try:
        signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:
        return


def explain_resources(hint: str) -> Explain:
    """Return an `explain` for full or unreadable disks and too little memory; `hint` says what needs less memory."""

    def explain(error: BaseException) -> str | None:
        reason = first_line(error)
        if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in reason):
            return f"{reason} ({hint})\n  what is done is kept; go on with:"
        return (
            f"{reason}\n  what is done is kept; when that is mended, go on with:"
            if isinstance(error, OSError)
            else None
        )

    return explain


def repeat(parser: argparse.ArgumentParser) -> Callable[[list[str]], str]:
    """Return a `go_on` for commands that are continued by running them again."""
    return lambda given: f"{parser.prog} {shlex.join(given)}"


def _restore(handler: Any) -> None:
    try:
        signal.signal(signal.SIGTERM, handler)
    except (ValueError, TypeError):
        return


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
