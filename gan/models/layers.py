"""Building blocks that every family shares: dropout slots, weight initialisation, parameter counts."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from common.errors import require

Where = Literal["none", "hidden", "last"]


class SpatialDropout(nn.Dropout2d):
    """Drops whole channels (Tompson et al. 2015), from a random stream of its own when given one.

    In training mode each channel of each image is zero with probability `p`, and the
    others are scaled by 1 / (1 - p). It is the identity in evaluation mode and at p = 0.

    Attributes
    ----------
    generator : torch.Generator or None
        The stream that masks are drawn from; None: torch's global one.
    share : (rank, size)
        The mask is drawn for the global batch of `size` workers and the share of worker `rank` is used,
        so that workers together drop what one worker alone would drop.
    """

    def __init__(self) -> None:
        super().__init__(p=0.0)
        self.generator: torch.Generator | None = None
        self.share = (0, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return x
        rank, size = self.share
        n, channels = x.shape[:2]
        keep = torch.empty(n * size, channels, 1, 1, device=x.device)
        keep.bernoulli_(1.0 - self.p, generator=self.generator)
        return x * (keep[rank * n : (rank + 1) * n] / (1.0 - self.p)).to(x.dtype)


class Network(nn.Module):
    """A generator or discriminator whose dropout is changed through one method."""

    def dropout_slots(self) -> list[SpatialDropout]:
        """Every place where dropout can act, from the input to the output."""
        return [module for module in self.modules() if isinstance(module, SpatialDropout)]

    def set_dropout(self, p: float, where: Where) -> None:
        """Change dropout from now on; weights and random streams are left alone.

        Parameters
        ----------
        p : float
            Probability in [0, 1) that a channel is dropped.
        where : {"none", "hidden", "last"}
            No slot, all slots (between all hidden layers), or the slot before the last layer only.
        """
        require(0.0 <= p < 1.0, "p", p, "a probability in [0, 1)")
        require(where in ("none", "hidden", "last"), "where", where, '"none", "hidden" or "last"')
        slots = self.dropout_slots()
        active = {"none": [], "hidden": slots, "last": slots[-1:]}[where]
        for slot in slots:
            slot.p = p if any(slot is one for one in active) else 0.0

    def set_dropout_stream(self, generator: torch.Generator | None, *, rank: int = 0, size: int = 1) -> None:
        """Draw every mask from one stream, as one worker of several.

        Parameters
        ----------
        generator : torch.Generator or None
            On the device of the network; None: torch's global one.
        rank, size : int
            Number of this worker, from 0, and of all: together they drop what one alone would.
        """
        for slot in self.dropout_slots():
            slot.generator, slot.share = generator, (rank, size)


def norm(channels: int, batch_norm: bool) -> nn.Module:
    """Batch normalisation, or the identity in its place, so that layers keep their numbers."""
    return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()


def initialise(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights: convolutions N(0, 0.02) (F&M Table 1), batch norms N(1, 0.02) with zero shift.

    Parameters
    ----------
    network : Module
        Its weights are replaced.
    generator : torch.Generator or None
        The stream they are drawn from; None: torch's global one.

    Notes
    -----
    The paper gives N(0, 0.02) without saying for which weights; a batch norm scale around 0 would
    silence the network, so it is drawn around 1 as in Radford et al. (2015).
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
            nn.init.zeros_(module.bias)


def parameter_count(network: nn.Module) -> int:
    """Return the number of trainable numbers in a network."""
    return sum(parameter.numel() for parameter in network.parameters())
