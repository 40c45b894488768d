"""What each factor of an ablation did: paired effects against the baseline, beside the paper's own verdicts.

A trial and the baseline of the same seed share their galaxies, their split and their random streams as far as the
settings allow, so their difference is freer of chance than either value. Over seeds k = 1..n:

    d_k = value(trial, seed k) - value(baseline, seed k),    effect = mean(d) +- t(0.975, n - 1) sd(d) / sqrt(n)

A trial's value is the mean of its last evaluations, as many as the scheduler judges over (`judge_over`): equal budgets,
compared at their end, not at the luckiest epoch of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.table import Table

from eval.catalogue import PROPERTIES
from eval.metrics import GALAXIES
from study.config.search_space import Point, same, shown_point
from study.config.study import Study
from study.results.paper_verdicts import Finding, finding
from study.results.trials import TrialRow

SHAPES = tuple(f"ks/{name}" for name in PROPERTIES)
"""The distances of the four properties, shown beside the objective."""
PROPERTY_NOISE = 2.0
"""Noise of one property's KS over that of the mean of four: at most sqrt(4), if the four were independent."""

Verdict = Literal["better", "worse", "within the noise", "within the spread of seeds", "not run"]


@dataclass(frozen=True)
class Effect:
    """A paired difference from the baseline; above 0 is worse.

    Attributes
    ----------
    metric : str
        MLflow name.
    differences : tuple of float
        One for each seed that both trial and baseline finished.
    tie : float or None
        Difference that the sampling of galaxies alone makes between two evaluations of one model.
    """

    metric: str
    differences: tuple[float, ...]
    tie: float | None

    @property
    def pairs(self) -> int:
        """Seeds compared."""
        return len(self.differences)

    @property
    def mean(self) -> float:
        """Mean difference; NaN without a pair."""
        return math.fsum(self.differences) / self.pairs if self.pairs else math.nan

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for fewer than two."""
        return float(np.std(self.differences, ddof=1)) if self.pairs >= 2 else None

    @property
    def half_width(self) -> float | None:
        """Half the 95% interval of the mean by Student's t; None for fewer than two pairs."""
        if self.spread is None:
            return None
        from scipy.stats import t

        return float(t.ppf(0.975, self.pairs - 1)) * self.spread / math.sqrt(self.pairs)

    @property
    def noise(self) -> float:
        """The tie width of the mean over the pairs; 0 where none is known."""
        return (self.tie or 0.0) / math.sqrt(max(1, self.pairs))

    @property
    def verdict(self) -> Verdict:
        """What the numbers allow to say."""
        if not self.pairs:
            return "not run"
        if abs(self.mean) <= self.noise or self.mean == 0:
            return "within the noise"
        if self.half_width is not None and abs(self.mean) <= self.half_width:
            return "within the spread of seeds"
        return "worse" if self.mean > 0 else "better"

    def in_words(self) -> str:
        """The verdict with its numbers: `worse by 0.040 ± 0.010`."""
        verdict = self.verdict
        if verdict == "not run":
            return verdict
        interval = f" ± {self.half_width:.3f}" if self.half_width is not None else " (one seed)"
        if verdict in ("worse", "better"):
            return f"{verdict} by {abs(self.mean):.3f}{interval}"
        return f"{verdict} ({self.mean:+.3f}{interval if self.half_width is not None else ''})"


@dataclass(frozen=True)
class Level:
    """One factor moved to one value.

    Attributes
    ----------
    axis : str
        Which factor.
    point : dict
        What was set.
    effects : tuple of Effect
        The objective first, then the four properties.
    asked : int
        Seeds planned; fewer pairs mean that trials failed or are not done.
    paper : Finding or None
        What Fussell & Moews (2019) report of it.
    rankable : bool
        False when on either side fewer than 70% of the galaxies of a compared evaluation had a fit.
    """

    axis: str
    point: Point
    effects: tuple[Effect, ...]
    asked: int
    paper: Finding | None
    rankable: bool = True

    @property
    def label(self) -> str:
        """The point in words."""
        return shown_point(self.point)

    @property
    def main(self) -> Effect:
        """The effect on the objective."""
        return self.effects[0]

    @property
    def agreement(self) -> str:
        """Whether the objective agrees with the paper's eye."""
        if self.paper is None:
            return "the paper has no verdict"
        verdict = self.main.verdict
        if verdict == "not run":
            return "not run"
        if not self.rankable:
            return "too few fits to say"
        if verdict.startswith("within"):
            return "agrees" if self.paper.expected == "same" else "not seen in this measure"
        if verdict == self.paper.expected:
            return "agrees"
        return "differs"


def settled(row: TrialRow, metric: str, over: int) -> float | None:
    """A trial's value of a metric at its end: the mean of its last `over` evaluations; None: it has none."""
    values = [e["metrics"][metric] for e in row.evaluations if metric in e["metrics"]][-over:]
    return math.fsum(values) / len(values) if values else None


def ablation(study: Study, rows: Sequence[TrialRow]) -> list[Level]:
    """Paired effects of every level against the baseline, in the order of the axes.

    Parameters
    ----------
    study : Study
        Of sampler `ablation`.
    rows : sequence of TrialRow
        From `study.results.trials.collect`. Trials still running are left out.
    """
    headline = GALAXIES[study.objective.metrics[0]].key
    metrics = (headline, *(name for name in SHAPES if name != headline))
    over = study.search.scheduler.judge_over
    ended = [row for row in rows if row.ending in ("complete", "diverged")]
    baseline = {row.seed: row for row in ended if row.role == "baseline"}
    levels = []
    planned: dict[str, list[tuple[str, Point, int]]] = {}
    for trial in study.planned():
        if trial.role != "baseline":
            planned.setdefault(_key(trial.role, trial.point), []).append((trial.role, trial.point, trial.seed))
    for members in planned.values():
        role, point, _ = members[0]
        trials = {row.seed: row for row in ended if row.role == role and same(row.point, point)}
        effects = tuple(_effect(metric, trials, baseline, over) for metric in metrics)
        compared = [side[seed] for seed in trials.keys() & baseline.keys() for side in (trials, baseline)]
        levels.append(
            Level(
                axis=role,
                point=point,
                effects=effects,
                asked=len(members),
                paper=finding(point, study.value),
                rankable=all(e.get("rankable", True) for row in compared for e in row.evaluations[-over:]),
            )
        )
    return levels


def _key(role: str, point: Point) -> str:
    return json.dumps([role, point], sort_keys=True)


def _effect(metric: str, trials: dict[int, TrialRow], baseline: dict[int, TrialRow], over: int) -> Effect:
    differences = []
    ties: list[float] = []
    for seed in sorted(trials.keys() & baseline.keys()):
        value, reference = settled(trials[seed], metric, over), settled(baseline[seed], metric, over)
        if value is not None and reference is not None:
            differences.append(value - reference)
            ties += [e["metrics"]["ks_tie"] for e in baseline[seed].evaluations[-1:] if "ks_tie" in e["metrics"]]
    tie = max(ties, default=None) if metric.startswith("ks") else None
    if tie is not None and metric != "ks_mean":
        tie *= PROPERTY_NOISE
    return Effect(metric, tuple(differences), tie)


def effects_table(study: Study, levels: Sequence[Level]) -> Table:
    """Paired effects for the terminal."""
    table = Table(title=f"{study.name}: one factor at a time, against the baseline of the same seed")
    table.title_justify = "left"
    table.add_column("factor", overflow="fold")
    table.add_column("seeds", justify="right")
    table.add_column(study.objective.metrics[0], no_wrap=True)
    for effect in levels[0].effects[1:] if levels else ():
        table.add_column(effect.metric.removeprefix("ks/").replace("_", " "), justify="right")
    table.add_column("the paper", overflow="fold")
    table.add_column("", overflow="fold")
    for level in levels:
        table.add_row(
            level.label,
            f"{level.main.pairs}/{level.asked}",
            level.main.in_words() + ("" if level.rankable else " !"),
            *(_signed(effect) for effect in level.effects[1:]),
            level.paper.words if level.paper else "-",
            level.agreement,
        )
    return table


def _signed(effect: Effect) -> str:
    if not effect.pairs:
        return "-"
    mark = "*" if effect.verdict in ("worse", "better") else ""
    return f"{effect.mean:+.3f}{mark}"


def explanation(study: Study, levels: Sequence[Level]) -> list[str]:
    """What a reader must know to read the effects."""
    lines = ["effect: mean over seeds of (trial - baseline of the same seed) at the end of training; above 0 is worse"]
    most = max((level.main.pairs for level in levels), default=0)
    if most < 2:
        lines.append("one seed each: how much two trainings of one setting differ is not known")
    else:
        lines.append(
            f"±: 95% interval of the mean by Student's t over {most} seeds; of {len(levels)} such intervals about "
            "one in twenty misses by chance"
        )
    tie = next((level.main.tie for level in levels if level.main.tie), None)
    if tie:
        lines.append(
            f"within the noise: at most {tie:.3f}/sqrt(seeds), what drawing other galaxies from the same model changes"
        )
    lines.append("*: beyond both the noise (for one property, twice that of their mean) and the spread of seeds")
    if not all(level.rankable for level in levels):
        lines.append("!: fewer than 70% of the galaxies of a compared model could be fitted; shapes say little there")
    return lines
