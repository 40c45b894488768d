"""Where a training stands among its phases, and when a phase ends: pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from gan.enhance.config import CriticPhase, EnhanceTrainConfig, PhaseConfig

Phase = Literal["generator", "critic", "adversarial", "done"]
ORDER: tuple[Phase, ...] = ("generator", "critic", "adversarial", "done")


@dataclass(frozen=True)
class Progress:
    """Completed epochs and what the stopping rule of the current phase remembers.

    Attributes
    ----------
    phase : {"generator", "critic", "adversarial", "done"}
        What the next epoch trains.
    epoch : int
        Completed epochs of this phase.
    before : int
        Completed epochs of the phases before it.
    best : float or None
        Smallest loss of an epoch of this phase; None before the first.
    stale : int
        Epochs since the loss last improved.
    """

    phase: Phase
    epoch: int = 0
    before: int = 0
    best: float | None = None
    stale: int = 0

    @property
    def completed(self) -> int:
        """Completed epochs of all phases."""
        return self.before + self.epoch


def begin(config: EnhanceTrainConfig) -> Progress:
    """Before the first epoch."""
    return Progress(_next_phase(config, 0))


def total_epochs(config: EnhanceTrainConfig, progress: Progress) -> int:
    """Return the epochs of the whole training, as far as is known: phases that ended early count what they took.

    Parameters
    ----------
    config : EnhanceTrainConfig
        The phases.
    progress : Progress
        Where the training stands.
    """
    later = ORDER[ORDER.index(progress.phase) : -1]
    return progress.before + sum(_settings(config, phase).epochs for phase in later)


def advance(config: EnhanceTrainConfig, progress: Progress, loss: float | None) -> Progress:
    """Return where a training stands after an epoch.

    Parameters
    ----------
    config : EnhanceTrainConfig
        The phases.
    progress : Progress
        Before the epoch.
    loss : float or None
        Mean of the loss that the phase's rule looks at. None, or not finite: the epoch counts, and says nothing.

    Returns
    -------
    Progress
    """
    settings = _settings(config, progress.phase)
    best, stale = progress.best, progress.stale
    if loss is not None and math.isfinite(loss):
        improved = best is None or loss < best - settings.min_gain * abs(best)
        best, stale = (loss, 0) if improved else (best, stale + 1)
    progress = replace(progress, epoch=progress.epoch + 1, best=best, stale=stale)
    if not _ended(settings, progress, loss):
        return progress
    return Progress(_next_phase(config, ORDER.index(progress.phase) + 1), before=progress.completed)


def _ended(settings: PhaseConfig, progress: Progress, loss: float | None) -> bool:
    threshold = settings.stop_below if isinstance(settings, CriticPhase) else None
    if threshold is not None and loss is not None and loss < threshold:
        return True
    plateau = settings.patience is not None and progress.stale >= settings.patience
    return plateau or progress.epoch >= settings.epochs


def _next_phase(config: EnhanceTrainConfig, start: int) -> Phase:
    return next((phase for phase in ORDER[start:-1] if _settings(config, phase).epochs), "done")


def _settings(config: EnhanceTrainConfig, phase: Phase) -> PhaseConfig:
    return {"generator": config.generator, "critic": config.critic, "adversarial": config.adversarial}[phase]
