"""What every training step does the same way: arithmetic, optimiser, and the step down the gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gan.training.distributed import World


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Forward passes in bfloat16 where `dtype` says so, otherwise as they are."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def adam(network: nn.Module, lr: float, betas: tuple[float, float], device: torch.device) -> torch.optim.Adam:
    """Return Adam for all parameters of a network, with one fused kernel where there is one.

    Parameters
    ----------
    network : Module
        On `device` already.
    lr : float
        Learning rate.
    betas : tuple of float
        Decays of the two moments, in [0, 1).
    device : torch.device
        Where the network is.
    """
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas, fused=device.type in ("cpu", "cuda"))


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, workers: World) -> None:
    """Differentiate a loss, average the gradients over the workers, and step.

    Parameters
    ----------
    optimizer : Optimizer
        Gradients of its parameters are cleared first.
    loss : Tensor, ()
        With a graph.
    workers : World
        Of the training.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if workers.size > 1:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        workers.mean_in_place(grads)
    optimizer.step()


def follow(average: nn.Module, network: nn.Module, decay: float, steps: int) -> None:
    """Move the parameters of a moving average towards those of the network, faster in the first steps.

    So the average forgets the initial weights. Buffers are left alone.

    Parameters
    ----------
    average, network : Module
        Of one architecture.
    decay : float
        In (0, 1); in the first steps (1 + steps) / (10 + steps) is taken where that is less.
    steps : int
        Steps of the network so far, 0 or more.
    """
    now = min(decay, (1 + steps) / (10 + steps))
    get_ema_multi_avg_fn(now)(list(average.parameters()), list(network.parameters()), steps)
