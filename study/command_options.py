"""How the commands that make files and can go on end: `study.generate` and `study.enhance`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from study.config.errors import EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED, InputError

Run = Callable[[argparse.Namespace, Console], int]


def run_resumable(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, run: Run, *, hint: str) -> int:
    """Parse, run `run(options, console)` and return its exit code, or the one of what went wrong.

    Parameters
    ----------
    parser : ArgumentParser
        Its `prog` is the command that continues what was interrupted.
    arguments : sequence of str or None
        None: those of this process.
    run : callable
        May raise `InputError` and `KeyboardInterrupt`; SIGTERM is the latter.
    hint : str
        What needs less memory.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    errors = Console(stderr=True, highlight=False)
    command = f"{parser.prog} {shlex.join(given)}"
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        return run(options, Console(highlight=False))
    except InputError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return EXIT_INPUT
    except KeyboardInterrupt:
        errors.print(f"\ninterrupted; what is done is kept. To go on:\n  {command}", markup=False, soft_wrap=True)
        return EXIT_INTERRUPTED
    except (OSError, MemoryError, RuntimeError) as error:
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        if isinstance(error, RuntimeError) and "memory" not in reason:
            raise
        text = f"error: {reason}\n  what is done is kept; when that is mended, go on with:\n  {command}"
        if "memory" in reason:
            text += f"\n  ({hint})"
        errors.print(text, markup=False, soft_wrap=True)
        return EXIT_FAILED


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
