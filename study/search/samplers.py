"""Who proposes trials: Optuna's samplers, and TPE whose proposals cost the same however many trials there were."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import optuna
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import FrozenTrial, TrialState

from study.config.study import Study

BEST_TRIALS = 25
WORSE_TRIALS = 225
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


def make_sampler(study: Study, known: int = 0) -> optuna.samplers.BaseSampler:
    """The Optuna sampler that `search.sampler` names.

    A search that goes on with `known` trials has another seed, or it would propose its first points again; not so
    the quasi-random one, whose points follow from its seed and their numbers.
    """
    seed, trials = study.search.seed, study.trials
    if known and study.search.sampler != "qmc":
        seed = int(np.random.default_rng([seed, known]).integers(2**31))
    name = study.search.sampler
    if name == "tpe":
        return BoundedTPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=max(4, min(10, trials // 4))
        )
    if name == "qmc":
        return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
    if name == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=max(4, min(10, trials // 4)))
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(4, min(50, trials // 4)))
    return optuna.samplers.RandomSampler(seed=seed)


class BoundedTPESampler(optuna.samplers.TPESampler):
    """TPE (Bergstra et al. 2011) of the `BEST_TRIALS` best trials, the `WORSE_TRIALS` newest others, and the running.

    Optuna's own goes through every past trial several times at each proposal, though it calls at most 25 good, and
    gives the others less weight the older they are; here the 300th proposal costs what the thousandth does
    (`benchmarks/scale.py`). Up to `BEST_TRIALS` + `WORSE_TRIALS` trials it proposes what Optuna's own does.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._ended: list[FrozenTrial] = []
        self._seen: set[int] = set()

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Optuna's, of the trials that count and those that ended since the proposal before."""
        self._ended += [t for t in study.get_trials(deepcopy=False, states=ENDED) if t.number not in self._seen]
        self._seen.update(t.number for t in self._ended)
        space = super().infer_relative_search_space(_Window(study, self._ended), trial)
        if len(self._ended) > BEST_TRIALS + WORSE_TRIALS:
            best, worse = _split_trials(study, self._ended, BEST_TRIALS)
            self._ended = best + worse[-WORSE_TRIALS:]
        return space

    def _sample(self, study: optuna.Study, trial: FrozenTrial, search_space: dict) -> dict[str, Any]:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return super()._sample(_Window(study, self._ended + running), trial, search_space)


class _Window(optuna.Study):
    """An Optuna study of which only some trials are seen."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]):
        self._study, self._trials = study, trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [t for t in self._trials if states is None or t.state in states]
