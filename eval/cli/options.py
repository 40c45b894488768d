"""What the commands of `eval` share: options, progress, loading, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eval.images.load import ImageCollection, load_images
from eval.images.output import require_folder
from eval.measure import ENGINES

Run = Callable[[argparse.Namespace, Console, Console], None]


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


def run_command(options: argparse.Namespace, run: Run) -> int:
    """Run `run(options, console, errors)`; returns 0, or 2 for wrong input, or 130 when interrupted."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        require_folder(options.out)
        run(options, Console(highlight=False), errors)
    except KeyboardInterrupt:
        errors.print("Interrupted: nothing was written.")
        return 130
    except (ValueError, OSError) as error:
        errors.print(f"Error: {error}", markup=False)
        return 2
    return 0


@contextmanager
def progress_bars(errors: Console) -> Iterator[Progress]:
    """Live lines of a command's steps, gone when it ends."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bars:
        yield bars


def load_side(name: str, source: str, size: int | None, limit: int | None, bars: Progress) -> ImageCollection:
    """`load_images` under a bar of its own."""
    task = bars.add_task(f"reading {name}", total=None)
    collection = load_images(
        source, size=size, limit=limit, progress=lambda done, total: bars.update(task, completed=done, total=total)
    )
    bars.remove_task(task)
    return collection


def skipped_files(name: str, collection: ImageCollection) -> list[str]:
    """One line about the files of a side that could not be used; none where all could."""
    if not collection.skipped:
        return []
    first, reason = next(iter(collection.skipped.items()))
    count = len(collection.skipped)
    files = "file" if count == 1 else "files"
    return [f"{name}: {count:,} {files} skipped, such as {first}: {reason}"]
