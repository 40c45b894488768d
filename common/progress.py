"""The one progress bar: a live line on a terminal, a line now and then in a log file, nothing when quiet."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 30.0


class ProgressBar:
    """Progress of one or several kinds of work, a line each; a context manager.

    Parameters
    ----------
    console : Console, optional
        Where to show it (default: the error stream).
    quiet : bool
        Show nothing.
    unit : str
        What is counted, in the plural.

    Attributes
    ----------
    made : int
        What this process did of the work shown last, without what was there at the first call.
    rate : float
        The same per second.
    """

    def __init__(self, console: Console | None = None, *, quiet: bool = False, unit: str = "images"):
        self.console = console or Console(stderr=True, highlight=False)
        self.unit, self.made, self.rate = unit, 0, 0.0
        self._quiet, self._live = quiet, self.console.is_terminal and not quiet
        self._tasks: dict[str, tuple[TaskID, int, float]] = {}
        self._said = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._bars = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """End the live lines."""
        if self._live:
            self._bars.stop()

    def update(self, what: str, done: int, total: int | None, note: str = "") -> None:
        """Show how far some work is.

        Parameters
        ----------
        what : str
            Names the work; the first call with a name begins its line.
        done, total : int
            What is done, and in all; None: nobody knows.
        note : str
            Stands behind the numbers.
        """
        now = time.monotonic()
        if what not in self._tasks:
            if self._live and not self._tasks:
                self._bars.start()
            self._tasks[what] = (self._bars.add_task(what, total=total, note=""), done, now)
        task, first, started = self._tasks[what]
        self.made = done - first
        self.rate = self.made / max(now - started, 1e-9)
        pace = f"{self.rate:,.0f} {self.unit}/s" if self.made else ""
        if self._live:
            self._bars.update(task, completed=done, total=total, note="  ".join(filter(None, (pace, note))))
        elif not self._quiet and now - self._said > LINE_EVERY_S and self.made:
            self._said = now
            of = f" of {total:,}" if total is not None else ""
            text = ", ".join(filter(None, (f"{what}: {done:,}{of}", pace, note)))
            self.console.print(text, markup=False, soft_wrap=True)

    def finish(self, what: str) -> None:
        """Take away the line of `what`."""
        if what in self._tasks:
            self._bars.remove_task(self._tasks.pop(what)[0])
