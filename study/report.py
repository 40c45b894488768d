"""`python -m study.report STUDY`: a study as one HTML page that needs no network, and as a table in the terminal.

The study may have ended, been interrupted, or be running: nothing in its folder is changed but the page itself.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from study.config.errors import EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, InputError
from study.config.pair_sections import ENHANCERS
from study.config.study import Study, load_study

if TYPE_CHECKING:
    from study.reporting.data import ReportData


FILE_WIDTH = 160
"""Columns of the table where the output is a file or a pipe."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m study.report", description="A study as one HTML page, and as a table in the terminal."
    )
    p.add_argument("study", metavar="STUDY", help="name of a study, or its folder")
    p.add_argument("--out", metavar="FILE", help="where the page goes (default: report.html in the study's folder)")
    p.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = parser().parse_args(arguments)
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    try:
        return _report(options, console)
    except InputError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return EXIT_INPUT
    except KeyboardInterrupt:
        errors.print("\ninterrupted", markup=False)
        return EXIT_INTERRUPTED


def _report(options: argparse.Namespace, console: Console) -> int:
    from study.reporting.data import find_study, read_study
    from study.reporting.page import page

    folder = find_study(options.study, Path(options.results))
    out = Path(options.out) if options.out else folder / "report.html"
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"--out {out}: expected a file in a folder that exists")
    study = load_study(folder / "study.yaml")
    if study.model.family in ENHANCERS:
        return _report_enhancers(study, folder, out, console)
    with console.status("reading the study"):
        data = read_study(folder)
        text = page(data)
    _write(out, text)
    _show(console, data)
    console.print(f"\nReport: {out.resolve()}", markup=False, soft_wrap=True)
    return EXIT_OK


def _report_enhancers(study: Study, folder: Path, out: Path, console: Console) -> int:
    from study.reporting.pair_page import page, read_rows
    from study.results.summary import notes, print_whole, ranked_table

    rows = read_rows(study, folder)
    _write(out, page(study, folder, rows))
    print_whole(console, ranked_table(study, rows))
    for line in [*notes(study, rows), f"\nReport: {out.resolve()}"]:
        console.print(line, markup=False, soft_wrap=True)
    return EXIT_OK


def _write(out: Path, text: str) -> None:
    from common.atomic import atomically

    try:
        atomically(out, lambda partial: partial.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror or error}") from None


def _show(console: Console, data: ReportData) -> None:
    """The table of the study's end and, for an ablation, that of its effects."""
    from study.results.ablation import effects_table, explanation
    from study.results.summary import notes, ranked_table

    if not data.rows:
        console.print(f"{data.folder}: no trial has begun", markup=False, soft_wrap=True)
        return
    console.print(ranked_table(data.study, data.rows))
    lines = notes(data.study, data.rows)
    if data.levels:
        console.print()
        console.print(effects_table(data.study, data.levels))
        lines = explanation(data.study, data.levels)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
