"""What a search's history says of its settings and its trials: importances, and why trials ended early."""

from __future__ import annotations

import math

import numpy as np
import optuna

from common.errors import first_line
from study.config.search_space import shown
from study.config.study import Study
from study.results.trials import TrialRow
from study.search.asha import SuccessiveHalving

FEWEST_FOR_IMPORTANCE = 10
"""Completed trials below which an importance says more about chance than about the settings."""


def importances(study: Study, history: optuna.Study | None) -> dict[str, float] | str:
    """Return the share of each axis in the variance of the objective (fANOVA), or why there is none."""
    if not study.axes:
        return "nothing varies in this study"
    if study.search.sampler == "ablation":
        return "an ablation moves one factor at a time; see the paired effects"
    complete = [] if history is None else history.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if history is None or len(complete) < FEWEST_FOR_IMPORTANCE:
        return (
            f"not computed: it takes {FEWEST_FOR_IMPORTANCE} trials that ran to their end, and there are "
            f"{len(complete)}"
        )
    target = (lambda trial: trial.values[0]) if len(study.objective.metrics) > 1 else None
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return optuna.importance.get_param_importances(history, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError, ImportError) as error:
        return f"not computed: {first_line(error)}"


def reasons(study: Study, rows: list[TrialRow], errors: dict[str, str]) -> dict[str, str]:
    """Return why trials ended before their last epoch.

    Parameters
    ----------
    study : Study
        With its scheduler, whose rule is told.
    rows : list of TrialRow
        Trials.
    errors : dict of str to str
        Errors of failed trials by their names.

    Returns
    -------
    dict of str to str
        Reasons by the names of trials; trials that ran to their end are left out.
    """
    found = {}
    rules = _replayed(study, rows)
    for row in rows:
        if row.ending == "failed":
            found[row.name] = errors.get(row.name, "no reason was recorded")
        elif row.ending == "diverged":
            found[row.name] = f"diverged: {row.evaluations[-1]['diverged']}"
        elif row.ending == "stopped early":
            found[row.name] = rules.get(row.name, "by the scheduler")
    return found


def _replayed(study: Study, rows: list[TrialRow]) -> dict[str, str]:
    """The rule of successive halving at each stop, by judging all evaluations again in the order of their time."""
    scheduler = study.scheduler
    if scheduler.name == "none":
        return {}
    halving = SuccessiveHalving(
        grace_epochs=scheduler.grace_epochs,
        reduction_factor=scheduler.reduction_factor,
        epochs=study.train.epochs,
        judge_over=scheduler.judge_over,
    )
    first = {}
    for row in rows:
        _, train = study.configure(row.point, row.seed)
        first[row.name] = train.first_judged_epoch(scheduler.grace_epochs)
    events = [(row, evaluation) for row in rows for evaluation in row.evaluations]
    found = {}
    for row, evaluation in sorted(events, key=lambda event: (event[1].get("time", 0.0), event[1]["epoch"])):
        number, epoch, value = int(row.name), evaluation["epoch"], evaluation["objective"]
        if not math.isfinite(value) or not halving.judge(number, epoch, value, first_epoch=first[row.name]):
            continue
        rung = max(r for r in halving.rungs if r <= epoch)
        others = list(halving.recorded[rung].values())
        bound = float(np.quantile(others, 1 / scheduler.reduction_factor))
        found[row.name] = (
            f"{halving.recorded[rung][number]:.3f} at rung {rung}; to go on it took at most {bound:.3f}, "
            f"the best 1/{shown(scheduler.reduction_factor)} of {len(others)} trials there"
        )
    return found
