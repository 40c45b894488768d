"""Early stopping: asynchronous successive halving that waits for a trial's own schedule."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import require
from study.tasks.job import TrialSpec

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler


def rungs(grace_epochs: int, reduction_factor: float, epochs: int) -> list[int]:
    """Epochs at which trials are compared: `grace_epochs * reduction_factor**k`, below `epochs`, each once.

    Parameters
    ----------
    grace_epochs : int
        The first rung, 1 or more.
    reduction_factor : float
        More than 1: the next rung is that many times later.
    epochs : int
        The full budget, 1 or more.

    Raises
    ------
    FieldError
        If one of them is out of its range.
    """
    require(grace_epochs >= 1, "grace_epochs", grace_epochs, "1 or more epochs")
    require(1 < reduction_factor < math.inf, "reduction_factor", reduction_factor, "a number above 1")
    require(epochs >= 1, "epochs", epochs, "1 or more")
    found: list[int] = []
    k = 0
    while (rung := math.ceil(grace_epochs * reduction_factor**k - 1e-9)) < epochs:
        found.append(rung)
        k += 1
    return sorted(set(found))


class SuccessiveHalving:
    """The stopping rule of ASHA (Li et al. 2020, Algorithm 2, in its stopping form).

    Parameters
    ----------
    grace_epochs : int
        `r`, the first rung.
    reduction_factor : float
        `eta`; a trial goes on if it is among the best `1/eta` of those recorded at the rung so far.
    epochs : int
        `R`, the full budget.
    judge_over : int
        The value at a rung is the mean of this many latest evaluations.

    Notes
    -----
    Smaller values are better. A trial is neither recorded nor judged at rungs before its own `first_epoch`.
    """

    def __init__(self, *, grace_epochs: int, reduction_factor: float, epochs: int, judge_over: int = 1):
        require(judge_over >= 1, "judge_over", judge_over, "1 or more evaluations")
        self.reduction_factor, self.judge_over = reduction_factor, judge_over
        self.rungs = rungs(grace_epochs, reduction_factor, epochs)
        self.recorded: dict[int, dict[int, float]] = {rung: {} for rung in self.rungs}
        self._values: dict[int, dict[int, float]] = {}

    def judge(self, trial: int, epoch: int, value: float, *, first_epoch: int = 0) -> bool:
        """Record an evaluation; True: stop the trial.

        Parameters
        ----------
        trial : int
            Its number.
        epoch : int
            Epochs trained. An epoch that was seen before (after a resume) replaces the old value.
        value : float
            The objective, finite.
        first_epoch : int
            Rungs before this one do not count for the trial.
        """
        if not math.isfinite(value):
            raise ValueError(f"value = {value!r} cannot be ranked: expected a finite number")
        values = self._values.setdefault(trial, {})
        values[epoch] = value
        latest = [values[e] for e in sorted(values) if e <= epoch][-self.judge_over :]
        settled = sum(latest) / len(latest)
        stop = False
        for rung in self.rungs:
            if rung < first_epoch or rung > epoch or trial in self.recorded[rung]:
                continue
            self.recorded[rung][trial] = settled
            others = list(self.recorded[rung].values())
            stop |= bool(settled > np.quantile(others, 1 / self.reduction_factor))
        return stop

    def replay(self, history: Mapping[int, tuple[int, Sequence[tuple[int, float]]]]) -> None:
        """Record the evaluations of an earlier run: trial to (first_epoch, [(epoch, value), ...])."""
        for trial, (first_epoch, evaluations) in history.items():
            for epoch, value in sorted(evaluations):
                self.judge(trial, epoch, value, first_epoch=first_epoch)


def tune_scheduler(halving: SuccessiveHalving | None, *, spared: Collection[str] = ("baseline",)) -> TrialScheduler:
    """Return the Ray Tune scheduler that asks `halving`; None: trials run to their end.

    Trials of a role in `spared` are recorded at the rungs like others, and never stopped.
    """
    from ray.tune.schedulers import FIFOScheduler, TrialScheduler

    class EarlyStopping(FIFOScheduler):
        """Stops a trial on reports that carry an evaluation; others pass."""

        def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
            if halving is None or "objective" not in result or result.get("final"):
                return TrialScheduler.CONTINUE
            spec = TrialSpec.from_config(trial.config)
            stop = halving.judge(spec.number, result["epoch"], result["objective"], first_epoch=spec.judged_from)
            return TrialScheduler.STOP if stop and spec.role not in spared else TrialScheduler.CONTINUE

    return EarlyStopping()  # type: ignore[no-untyped-call]
