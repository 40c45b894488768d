"""What the user sees while a study runs: a live line per trial and one for the study; plain lines in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.config.search_space import shown_point
from study.search.plan import duration
from study.tasks.job import TrialSpec
from study.tasks.report import TrialReport


@dataclass
class _Line:
    label: str
    epochs: int
    epoch: int = 0
    images_per_second: float = 0.0
    objective: float | None = None
    floor: float | None = None


@dataclass
class Progress:
    """Collects facts from Tune's callbacks and shows them.

    Parameters
    ----------
    console : Console
        On a terminal, lines are redrawn in place; elsewhere each evaluation is a line.
    total : int
        Trials of the study.
    done : dict of str to int
        Trials that an earlier run had finished, by how they ended.
    shown : callable
        The metric in words, from the value that the search minimises.
    """

    console: Console
    total: int
    done: dict[str, int] = field(default_factory=dict)
    shown: Callable[[float], str] = "objective {:.3f}".format
    best: tuple[float, str] | None = None

    def __post_init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._started = time.time()
        self._before = sum(self.done.values())
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def started(self, trial: TrialSpec) -> None:
        """A trial was handed out."""
        self._lines[trial.name] = _Line(shown_point(trial.point) or trial.role, trial.epochs)

    def reported(self, trial: TrialSpec, result: TrialReport) -> None:
        """A trial reported an epoch, perhaps with an evaluation."""
        name = trial.name
        line = self._lines.setdefault(name, _Line(trial.role, trial.epochs))
        line.epoch = result.get("epoch", line.epoch)
        line.images_per_second = result.get("images_per_second", line.images_per_second)
        if "objective" not in result:
            return
        line.objective, line.floor = result["objective"], result.get("ks_floor")
        if self.best is None or result["objective"] < self.best[0]:
            self.best = (result["objective"], name)
        if not self._live:
            note = f" diverged: {result['diverged']}" if result.get("diverged") else ""
            self.say(f"trial {name} {self._facts(line)}{note}  [{line.label}]")

    def ended(self, trial: TrialSpec, ending: str) -> None:
        """A trial ended as `complete`, `stopped early` or `failed`."""
        line = self._lines.pop(trial.name, None)
        self.done[ending] = self.done.get(ending, 0) + 1
        facts = f" at {self._facts(line)}" if line else ""
        self.say(f"trial {trial.name} {ending}{facts}  {self._summary()}")

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(Text(text), soft_wrap=True)

    def _facts(self, line: _Line) -> str:
        text = f"epoch {line.epoch}/{line.epochs}, {line.images_per_second:,.0f} images/s"
        if line.objective is not None:
            floor = f" (floor {line.floor:.3f})" if line.floor is not None else ""
            text += f", {self.shown(line.objective)}{floor}"
        return text

    def _summary(self) -> str:
        done = sum(self.done.values())
        parts = [f"{done}/{self.total} trials"]
        parts += [f"{count} {name}" for name, count in self.done.items() if count and name != "complete"]
        if self.best:
            parts.append(f"best {self.shown(self.best[0])} (trial {self.best[1]})")
        fresh = done - self._before
        if fresh > 0 and done < self.total:
            left = (time.time() - self._started) / fresh * (self.total - done)
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _render(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for name, line in list(self._lines.items()):
            table.add_row(
                Text(f"trial {name}"), Text(self._facts(line)), Text(line.label, style="dim", overflow="ellipsis")
            )
        return Group(table, Text(self._summary(), style="bold"))
