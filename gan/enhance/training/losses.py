"""Losses of the enhancer and of its critic; all means are over the batch, all results float32 scalars."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.enhance.config import CriticLoss, PixelLoss
from gan.training import losses


def pixel_loss(kind: PixelLoss, prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute or squared difference of images in [-1, 1], in the units of pixel values in [0, 1]."""
    if kind == "l1":
        return 0.5 * F.l1_loss(prediction.float(), target.float())
    return 0.25 * F.mse_loss(prediction.float(), target.float())


def critic_loss(kind: CriticLoss, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic minimises, from its opinions `(N,)` of targets and of enhanced images.

    `bce`: -log s(real) - log(1 - s(fake)), s the sigmoid; `hinge`: max(0, 1 - real) + max(0, 1 + fake);
    `wasserstein`: fake - real, to which `gradient_penalty` belongs.
    """
    if kind == "bce":
        return losses.real_loss(real) + losses.fake_loss(fake)
    real, fake = real.float(), fake.float()
    if kind == "hinge":
        return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()
    return fake.mean() - real.mean()


def adversarial_loss(kind: CriticLoss, fake: Tensor) -> Tensor:
    """What the generator minimises: -log s(fake) for `bce` (non-saturating), otherwise -fake."""
    return losses.generator_loss(fake) if kind == "bce" else -fake.float().mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mixture: Tensor) -> Tensor:
    """Mean of (|gradient of the critic| - 1)^2 at points between targets and enhanced images, in float32.

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
    share = mixture.view(-1, 1, 1, 1)
    between = (share * real.float() + (1.0 - share) * fake.float()).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1.0).square().mean()
