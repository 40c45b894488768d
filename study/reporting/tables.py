"""Tables of a report, as `templates/macros.html` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text, small : str
        What it says, and what stands behind it in small.
    key : float, str or None
        What the table is sorted by, where that is not the text.
    css : str
        Its classes: `n` for a number, `near`, `worse`, `better`.
    """

    text: str
    key: float | str | None = None
    css: str = ""
    small: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table; the class `group` makes its one cell a heading over all columns."""

    cells: Sequence[Cell]
    css: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    heads : sequence of Cell
        Headings of the columns.
    lines : sequence of Line
        From top to bottom.
    """

    heads: Sequence[Cell]
    lines: Sequence[Line]


def texts(values: Iterable[str]) -> list[Cell]:
    """Return cells of plain text."""
    return [Cell(value) for value in values]
