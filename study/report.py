"""`python -m study.report STUDY`: a study as one HTML page that needs no network, and as a table in the terminal.

The study may have ended, been interrupted, or be running: nothing in its folder is changed but the page itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from common.atomic import write_text
from common.command import run_command
from common.errors import EXIT_OK, InputError
from study.config import Study, load_study
from study.config.families import GalaxyStudy
from study.results.find import find_study

if TYPE_CHECKING:
    from study.reporting.data import ReportData

FILE_WIDTH = 160
"""Columns of the table where the output is a file or a pipe."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m study.report", description="A study as one HTML page, and as a table in the terminal."
    )
    p.add_argument("study", metavar="STUDY", help="name of a study, or its folder")
    p.add_argument("--out", metavar="FILE", help="where the page goes (default: report.html in the study's folder)")
    p.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_command(parser(), arguments, _report, interrupted="interrupted")


def _report(options: argparse.Namespace) -> int:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    folder = find_study(options.study, Path(options.results))
    out = Path(options.out) if options.out else folder / "report.html"
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"--out {out}: expected a file in a folder that exists")
    study = load_study(folder / "study.yaml")
    if isinstance(study, GalaxyStudy):
        _report_galaxies(folder, out, console)
    else:
        _report_enhancers(study, folder, out, console)
    _say(console, f"\nReport: {out.resolve()}")
    return EXIT_OK


def _report_galaxies(folder: Path, out: Path, console: Console) -> None:
    from study.reporting.data import read_study
    from study.reporting.page import page

    with console.status("reading the study"):
        data = read_study(folder)
        text = page(data)
    _write(out, text)
    _show(console, data)


def _report_enhancers(study: Study, folder: Path, out: Path, console: Console) -> None:
    from study.reporting.pair_page import page
    from study.results.history import read_trials
    from study.results.summary import notes, print_whole, ranked_table
    from study.tasks.enhancement.objective import PairObjective

    rows = read_trials(study, folder)
    _write(out, page(study, folder, rows))
    print_whole(console, ranked_table(study, PairObjective(), rows))
    _say(console, *notes(study, PairObjective(), rows))


def _write(out: Path, text: str) -> None:
    try:
        write_text(out, text)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}") from None


def _show(console: Console, data: ReportData) -> None:
    """Print the table of the study's end and, for an ablation, that of its effects."""
    from study.results.ablation import effects_table, explanation
    from study.results.summary import notes, ranked_table
    from study.tasks.generation.objective import GalaxyObjective

    if not data.rows:
        _say(console, f"{data.folder}: no trial has begun")
        return
    console.print(ranked_table(data.study, GalaxyObjective(), data.rows))
    if data.levels:
        console.print()
        console.print(effects_table(data.study, data.levels))
        _say(console, *explanation(data.study, data.levels))
    else:
        _say(console, *notes(data.study, GalaxyObjective(), data.rows))


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
