"""Who proposes trials: Optuna's samplers, each registered with what makes it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from study.config.study import Study

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

Maker = Callable[[int, int], BaseSampler]
"""Makes a sampler from a seed and the number of trials of the study."""


def _first(trials: int) -> int:
    """Trials drawn at random before a model proposes any."""
    return max(4, min(10, trials // 4))


def _tpe(seed: int, trials: int) -> BaseSampler:
    """Bergstra et al. (2011), over all axes together and aware of the trials that run."""
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_first(trials))


def _qmc(seed: int, trials: int) -> BaseSampler:
    return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def _gp(seed: int, trials: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=_first(trials))


def _nsga2(seed: int, trials: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=max(4, min(50, trials // 4)))


def _random(seed: int, trials: int) -> BaseSampler:
    return RandomSampler(seed=seed)


MAKERS: dict[str, Maker] = {
    "tpe": _tpe,
    "random": _random,
    "qmc": _qmc,
    "gp": _gp,
    "nsga2": _nsga2,
    "grid": _random,
    "ablation": _random,
}
"""By the name in `search.sampler`. Trials of a grid or an ablation are planned; nothing is left to propose."""

REPRODUCED = ("qmc",)
"""Samplers whose points follow from seed and number, so that a search which goes on keeps its seed."""


def make_sampler(study: Study, known: int = 0) -> optuna.samplers.BaseSampler:
    """Return the Optuna sampler that `search.sampler` names.

    Parameters
    ----------
    study : Study
        With its seed and its number of trials.
    known : int
        Trials that there are already: a search that goes on has another seed, or it would propose its first points
        again.
    """
    name, seed = study.search.sampler, study.search.seed
    if known and name not in REPRODUCED:
        seed = int(np.random.default_rng([seed, known]).integers(2**31))
    return MAKERS[name](seed, study.trials)
