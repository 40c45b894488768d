"""What an epoch of an enhancer's training did, and the sums that lead there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gan.training import divergence
from gan.training.distributed import World

Terms = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class EnhanceResult:
    """What one epoch did.

    Attributes
    ----------
    epoch : int
        Completed epochs of all phases, this one included.
    phase : {"generator", "critic", "adversarial"}
        The phase that this epoch belonged to.
    loss_generator, loss_discriminator : float or None
        Mean loss over the steps that trained the generator, and the critic; None where there was no such step.
    images_per_second : float
        Training pairs per second, over all workers.
    seconds : float
        Wall time of the epoch, checks and saved outputs included.
    steps : int
        Steps done, each of one of the two networks.
    learning_rate : float
        That of the network that the phase is about (the generator's in the adversarial phase).
    precision : str
        "float32" or "bfloat16".
    diverged : str or None
        Why this training is worth nothing any more, in words; None: it is healthy.
    extra : dict of str to float
        What else is known, all finite while healthy: `loss/pixel`, `loss/perceptual`, `loss/adversarial`,
        `loss/stability` (terms without their weights, those in use), `psnr/train` (dB, of the training batches),
        `score/real`, `score/fake` (mean opinions of the critic), `steps/generator`, `steps/critic`, `spread` (see
        `gan.training.trainer.EpochResult`).
    """

    epoch: int
    phase: str
    loss_generator: float | None
    loss_discriminator: float | None
    images_per_second: float
    seconds: float
    steps: int
    learning_rate: float
    precision: str
    diverged: str | None
    extra: dict[str, float] = field(default_factory=dict)


class Means:
    """Sums of a step's terms, on the device until they are asked for."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: Terms = {}

    def add(self, terms: Terms) -> None:
        self.steps += 1
        for name, value in terms.items():
            self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()

    def over(self, workers: World) -> dict[str, float]:
        """Mean over steps and workers of each term."""
        if not self.steps:
            return {}
        means = workers.mean(torch.stack(list(self._sums.values())) / self.steps)
        return dict(zip(self._sums, means.tolist(), strict=True))


def losses_problem(of_generator: dict[str, float], of_critic: dict[str, float]) -> str | None:
    """Say so when the mean loss of either network is not finite."""
    return divergence.losses_problem(torch.tensor([of_critic.get("loss", 0.0), of_generator.get("loss", 0.0)]))


def extra(of_generator: dict[str, float], of_critic: dict[str, float]) -> dict[str, float]:
    """The entries of `EnhanceResult.extra` that follow from the mean terms of both networks."""
    names = ("pixel", "perceptual", "adversarial", "stability")
    found = {f"loss/{name}": of_generator[name] for name in names if name in of_generator}
    if of_generator:
        found["psnr/train"] = float(-10.0 * np.log10(max(of_generator["mse"], 1e-10)))
    return found | {f"score/{name}": of_critic[name] for name in ("real", "fake") if of_critic}
