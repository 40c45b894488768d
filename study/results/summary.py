"""The end of a study in the terminal: ranked table, best settings, where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from study.config.search_space import short
from study.config.study import Study
from study.results.trials import TrialRow, pareto, setting, varying


class Words(Protocol):
    """How a kind of study speaks of its objectives; `study.tasks.task.TaskObjective` does."""

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """Columns beside the objective: title, metric, format."""

    def shown(self, name: str, cost: float) -> float:
        """The metric behind a value that the search minimises."""

    def heading(self, name: str) -> str:
        """Title of the column of the one objective."""

    def order(self, names: tuple[str, ...]) -> str:
        """Which values are good."""

    def final_note(self, count: int) -> str:
        """What the column `final` is."""


def ranked_table(study: Study, objective: Words, rows: list[TrialRow]) -> Table:
    """Trials best first: the settings that vary, objective and floor, epochs, how each ended."""
    paths = varying(study, rows)
    final = any(row.final for row in rows)
    names = study.objective.metrics
    title = f"{study.name}: trials ranked by {', '.join(names)} ({objective.order(names)})"
    table = Table(title=title, title_justify="left")
    measured = list(names) if len(names) > 1 else [objective.heading(names[0])]
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("trial", no_wrap=True)
    beside = [title for title, _, _ in objective.columns]
    for name in [*map(short, paths), *(["final"] if final else []), *measured, *beside, "epochs", "ended"]:
        table.add_column(name, justify="right", no_wrap=True)
    for rank, row in enumerate(rows, 1):
        label = f"{row.name} {row.role}" if row.role != "search" else row.name
        cells = [str(rank), label, *(setting(study, row, path) for path in paths)]
        if final:
            cells.append(_number(study, objective, row.final))
        table.add_row(*cells, *_found(study, objective, row), style="bold" if rank == 1 else None)
    return table


def _found(study: Study, objective: Words, row: TrialRow) -> list[str]:
    best = row.best
    names = study.objective.metrics
    if best is None:
        return ["-"] * (len(names) + len(objective.columns)) + [str(row.epochs), row.ending]
    values = [f"{objective.shown(name, best['objectives'][name]):.3f}" for name in names]
    if len(names) == 1:
        values = [f"{values[0]} @{best['epoch']}"]
    source = (row.final or best)["metrics"]
    beside = [f"{source[metric]:{how}}" if metric in source else "-" for _, metric, how in objective.columns]
    if not best.get("rankable", True):
        beside[-1] += "!"
    _, train = study.configure(row.point, row.seed)
    return [*values, *beside, f"{row.epochs}/{train.epochs}", row.ending]


def _number(study: Study, objective: Words, evaluation: dict[str, Any] | None) -> str:
    name = study.objective.metrics[0]
    return f"{objective.shown(name, evaluation['objective']):.3f}" if evaluation else ""


def notes(study: Study, objective: Words, rows: list[TrialRow]) -> list[str]:
    """What a reader must know to read the table."""
    lines: list[str] = []
    leader = rows[0] if rows else None
    if leader is None or leader.best is None:
        return lines
    if leader.final:
        count = leader.final.get("samples", study.objective.samples)
        lines.append(objective.final_note(count))
    tie = (leader.final or leader.best)["metrics"].get("ks_tie")
    if tie and study.objective.metrics == ("ks_mean",):
        tied = [
            row.name for row in rows[1:] if row.score - leader.score < tie and bool(row.final) == bool(leader.final)
        ]
        if tied:
            lines.append(f"tied with the first within the noise ({tie:.3f}): {', '.join(tied)}")
    if any(row.best and not row.best.get("rankable", True) for row in rows):
        lines.append("!: fewer than 70% of its galaxies could be fitted; its shapes are not worth ranking")
    baseline = next((row for row in rows if row.role == "baseline"), None)
    if baseline and baseline is not leader and baseline.best:
        reached, best = (objective.shown(study.objective.metrics[0], row.score) for row in (baseline, leader))
        lines.append(f"baseline: {reached:.3f}, rank {rows.index(baseline) + 1}; best: {best:.3f}")
    if len(study.objective.metrics) > 1:
        front = ", ".join(row.name for row in pareto(rows, study.objective.metrics))
        lines.append(f"Pareto front: {front}")
    return lines


def show(
    console: Console,
    study: Study,
    objective: Words,
    rows: list[TrialRow],
    folder: Path,
    *,
    best: Path | None,
    use: str,
    ui: str,
) -> None:
    """Print the end of a study.

    Parameters
    ----------
    rows : list of TrialRow
        Best first.
    folder : Path
        Of the study.
    best : Path or None
        Its best checkpoint.
    use : str
        What to do with that checkpoint.
    ui : str
        How to see MLflow.
    """

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    console.print()
    print_whole(console, ranked_table(study, objective, rows))
    for note in notes(study, objective, rows):
        line(note)
    if best is not None:
        leader = rows[0]
        settings = ", ".join(f"{path} = {setting(study, leader, path)}" for path in varying(study, rows))
        line(f"\nBest settings:   {settings or 'as in the file'}")
        line(f"Best checkpoint: {best}")
        line(use)
    line(f"Full report:     python -m study.report {folder}")
    line(f"Compare trials:  {ui}")


def print_whole(console: Console, table: Table) -> None:
    """Print a table at its own width: in a file, or a narrow terminal, cut cells would hide the numbers."""
    wide = Console(file=console.file, width=max(console.width, 1000), force_terminal=console.is_terminal)
    width = Measurement.get(wide, wide.options, table).maximum
    Console(file=console.file, width=max(console.width, width), force_terminal=console.is_terminal).print(table)
