"""What the commands of `eval` share: options, progress, loading, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from common.command import run_command
from common.errors import EXIT_OK, InputError
from common.progress import ProgressBar
from eval.images.load import ImageCollection, load_images
from eval.images.output import require_folder
from eval.measure import ENGINES

Run = Callable[[argparse.Namespace, Console, ProgressBar], None]


def parser_of(program: str, docstring: str, *, default_out: str) -> argparse.ArgumentParser:
    """A parser whose help is the module's docstring less its usage line, with the option `--out`."""
    summary, _, rest = docstring.partition("\n\n")
    command = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=summary,
        epilog=rest.split("\n\n", 1)[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--out", type=Path, default=Path(default_out), help="folder for the results (default: %(default)s)"
    )
    return command


def add_measurement_options(command: argparse.ArgumentParser) -> None:
    """Add `--engine`, `--jobs` and `--limit`."""
    command.add_argument("--engine", choices=ENGINES, default="fast", help="measurement engine (default: %(default)s)")
    command.add_argument("--jobs", type=int, help="CPUs to use (default: all)")
    command.add_argument("--limit", type=int, help="take at most this many images of each side, evenly spread")


def run_evaluation(command: argparse.ArgumentParser, arguments: Sequence[str] | None, run: Run) -> int:
    """Run a command that writes to `--out`, as `common.command.run_command` does; returns the exit code.

    Parameters
    ----------
    command : ArgumentParser
        From `parser_of`.
    arguments : sequence of str or None
        None: those of this process.
    run : callable
        Called with options, console and progress bars; a `ValueError` or `OSError` that it raises is the input's fault.
    """

    def checked(options: argparse.Namespace) -> int:
        try:
            require_folder(options.out)
            with ProgressBar() as bars:
                run(options, Console(highlight=False), bars)
        except (ValueError, OSError) as error:
            raise InputError(str(error)) from None
        return EXIT_OK

    return run_command(command, arguments, checked)


def load_side(name: str, source: str, size: int | None, limit: int | None, bars: ProgressBar) -> ImageCollection:
    """Return the images of `eval.images.load.load_images`, read under a bar of their own."""
    what = f"reading {name}"
    collection = load_images(source, size=size, limit=limit, progress=partial(bars.update, what))
    bars.finish(what)
    return collection


def skipped_files(name: str, collection: ImageCollection) -> list[str]:
    """One line about the files of a side that could not be used; none where all could."""
    if not collection.skipped:
        return []
    first, reason = next(iter(collection.skipped.items()))
    count = len(collection.skipped)
    files = "file" if count == 1 else "files"
    return [f"{name}: {count:,} {files} skipped, such as {first}: {reason}"]
