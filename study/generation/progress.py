"""What the user sees while galaxies are made: a bar on a terminal, a line now and then in a log file."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from study.search.plan import duration

LINE_EVERY_S = 30.0


class Bar:
    """Progress of a generation.

    Parameters
    ----------
    console : Console
        Where to show it.
    total : int
        Galaxies in all.
    what : str
        What is counted, in the plural.

    Attributes
    ----------
    made : int
        Galaxies made by this process, those found finished left out.
    rate : float
        Galaxies per second of this process.
    """

    def __init__(self, console: Console, total: int, what: str = "galaxies"):
        self.console, self.total, self.what = console, total, what
        self.made, self.rate = 0, 0.0
        self._first: int | None = None
        self._started = self._said = time.monotonic()
        self._progress: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        if self.console.is_terminal:
            columns = (TextColumn(self.what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            self._progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
            self._task = self._progress.add_task(self.what, total=self.total, rate="")
            self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, done: int, total: int) -> None:
        """`done` of `total` galaxies are made; the first call says how many were there before."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._started = done, now
        self.made = done - self._first
        self.rate = self.made / max(now - self._started, 1e-9)
        if self._progress is not None:
            self._progress.update(self._task, completed=done, rate=f"{self.rate:,.0f}/s")
        elif now - self._said > LINE_EVERY_S and self.made >= 100:
            self._said = now
            left = duration((total - done) / self.rate)
            text = f"{done:,} of {total:,} {self.what}, {self.rate:,.0f} per second, about {left} left"
            self.console.print(text, markup=False, soft_wrap=True)
