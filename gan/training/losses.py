"""Losses on logits: the non-saturating GAN losses and the dual objective of Stage-II.

With s = sigmoid(logit), `-log s = softplus(-logit)` and `-log(1 - s) = softplus(logit)`; nothing here takes
the logarithm of a rounded probability, so half precision logits are safe. All means are over the batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from common.errors import FieldError, require


def real_loss(logits: Tensor, labels: Tensor | None = None) -> Tensor:
    """Cross entropy of the discriminator on real images.

    Parameters
    ----------
    logits : Tensor, (N,)
        Discriminator output.
    labels : Tensor, (N,), or None
        Target `t` of each image, around 1; None: exactly 1. Values above 1 are allowed:
        `-(t log s + (1 - t) log(1 - s)) = (1 - t) logit + softplus(-logit)` is defined for every `t` (F&M eq. 7).

    Returns
    -------
    Tensor, () float32

    Raises
    ------
    FieldError
        There is not one label for each logit.
    """
    x = logits.float()
    loss = F.softplus(-x)
    if labels is not None:
        _alike("labels", labels, logits)
        loss = loss + (1.0 - labels) * x
    return loss.mean()


def fake_loss(logits: Tensor) -> Tensor:
    """Return the cross entropy of the discriminator on generated images, whose label is 0: `-log(1 - D(G(z)))`.

    Parameters
    ----------
    logits : Tensor, (N,)
        Discriminator output.

    Returns
    -------
    Tensor, () float32
    """
    return F.softplus(logits.float()).mean()


def generator_loss(logits: Tensor) -> Tensor:
    """Return the non-saturating loss of the generator, `-log D(G(z))`.

    Parameters
    ----------
    logits : Tensor, (N,)
        Discriminator output for generated images.

    Returns
    -------
    Tensor, () float32
    """
    return F.softplus(-logits.float()).mean()


def smooth_labels(n: int, delta: float, *, rng: torch.Generator, device: torch.device | str = "cpu") -> Tensor | None:
    """Labels of real images, uniform in [1 - delta, 1 + delta] (F&M sec. 3.2); None, meaning 1, at `delta` = 0.

    Parameters
    ----------
    n : int
        Number of images, 1 or more.
    delta : float
        Half the width of the range, in [0, 1).
    rng : torch.Generator
        Where labels are drawn from, on `device`.
    device : device
        Where labels are drawn.

    Returns
    -------
    Tensor, (n,) float32, or None

    Raises
    ------
    FieldError
        A number is out of its range.
    """
    require(n >= 1, "n", n, "1 or more images")
    require(0 <= delta < 1, "delta", delta, "a number in [0, 1)")
    if delta == 0.0:
        return None
    return torch.empty(n, device=device).uniform_(1.0 - delta, 1.0 + delta, generator=rng)


def dual_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Squared difference of the channel sums, averaged over pixels and images (F&M eq. 3, 4).

    Parameters
    ----------
    real, fake : Tensor, (N, C, H, W) in [-1, 1]
        Target and prediction. A pixel's value is the sum of its channels, x = R + G + B.

    Returns
    -------
    Tensor, () float32

    Raises
    ------
    FieldError
        The shapes differ: one image would be compared with all others.
    """
    _alike("fake", fake, real)
    difference = real.float().sum(1) - fake.float().sum(1)
    return difference.square().mean()


def _alike(name: str, tensor: Tensor, other: Tensor) -> None:
    if tensor.shape != other.shape:
        raise FieldError(name, tuple(tensor.shape), f"the shape {tuple(other.shape)}")
