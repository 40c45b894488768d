"""Losses that a setting names: of the critic and of pixels. A new one is an entry of `CRITIC_LOSSES` or `PIXEL_LOSSES`.

All means are over the batch, all results float32 scalars. Settings are read without PyTorch, so it is imported when a
loss is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class CriticLoss:
    """What a critic and the generator before it minimise.

    Attributes
    ----------
    critic : callable
        From the critic's opinions of targets and of enhanced images, Tensor (N,) each, to a scalar.
    generator : callable
        From its opinions of enhanced images to a scalar.
    penalised : bool
        Whether the critic's `gradient_penalty` belongs to it; it is taken image by image, so the critic cannot have
        batch normalisation.
    """

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    penalised: bool = False


def _bce_of_critic(real: Tensor, fake: Tensor) -> Tensor:
    from gan.training import losses

    return losses.real_loss(real) + losses.fake_loss(fake)


def _bce_of_generator(fake: Tensor) -> Tensor:
    from gan.training import losses

    return losses.generator_loss(fake)


def _opposite(fake: Tensor) -> Tensor:
    return -fake.float().mean()


CRITIC_LOSSES = {
    # Goodfellow et al. 2014, non-saturating: -log s(real) - log(1 - s(fake)) and -log s(fake), s the sigmoid
    "bce": CriticLoss(critic=_bce_of_critic, generator=_bce_of_generator),
    # Gulrajani et al. 2017
    "wasserstein": CriticLoss(
        critic=lambda real, fake: fake.float().mean() - real.float().mean(), generator=_opposite, penalised=True
    ),
    # Lim & Ye 2017: max(0, 1 - real) + max(0, 1 + fake)
    "hinge": CriticLoss(
        critic=lambda real, fake: (1.0 - real.float()).relu().mean() + (1.0 + fake.float()).relu().mean(),
        generator=_opposite,
    ),
}


def _absolute(prediction: Tensor, target: Tensor) -> Tensor:
    import torch.nn.functional as F

    return 0.5 * F.l1_loss(prediction.float(), target.float())


def _squared(prediction: Tensor, target: Tensor) -> Tensor:
    import torch.nn.functional as F

    return 0.25 * F.mse_loss(prediction.float(), target.float())


PIXEL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": _absolute, "mse": _squared}
"""From images in [-1, 1], prediction and target (N, C, S, S), to a difference of pixel values in [0, 1]."""


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mixture: Tensor) -> Tensor:
    """Return the mean of (|gradient of the critic| - 1)^2 at points between targets and enhanced images, in float32.

    Parameters
    ----------
    critic : callable
        Images `(N, C, S, S)` -> opinions `(N,)`.
    real, fake : Tensor, (N, C, S, S) in [-1, 1]
        Targets and enhanced images.
    mixture : Tensor, (N,) in [0, 1]
        Where between them: 1 is the target.

    References
    ----------
    Gulrajani et al. 2017, arXiv:1704.00028, eq. 3.
    """
    import torch

    share = mixture.view(-1, 1, 1, 1)
    between = (share * real.float() + (1.0 - share) * fake.float()).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1.0).square().mean()
