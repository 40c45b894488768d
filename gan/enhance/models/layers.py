"""Building blocks of the U-Net and of its critic."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gan.enhance.config import Norm
from gan.models.layers import SpatialDropout

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def norm(channels: int, kind: Norm) -> nn.Module:
    """Return a normalisation with a scale and a shift per channel; the identity for `none`.

    Parameters
    ----------
    channels : int
        Of the maps.
    kind : {"batch", "instance", "none"}
        Which.
    """
    if kind == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels, affine=True)


def conv_block(before: int, after: int, kind: Norm) -> nn.Sequential:
    """Return a 3 x 3 convolution, normalisation, ReLU, and a slot for dropout; a bias only where nothing else shifts.

    Parameters
    ----------
    before, after : int
        Channels in and out.
    kind : {"batch", "instance", "none"}
        Of the normalisation.
    """
    convolution = nn.Conv2d(before, after, 3, 1, 1, bias=kind == "none")
    return nn.Sequential(convolution, norm(after, kind), nn.ReLU(inplace=True), SpatialDropout())


class ShuffleUp(nn.Module):
    """Doubles the side: a 1 x 1 convolution to four times the channels, rearranged into blocks of 2 x 2 (PixelShuffle).

    `(N, before, H, W) -> (N, after, 2 H, 2 W)`. After `initialise` the four pixels of a block are equal (ICNR), so an
    untrained network has no checkerboard: it is a 1 x 1 convolution and nearest-neighbour enlargement.

    References
    ----------
    Shi et al. 2016, arXiv:1609.05158 (PixelShuffle); Aitken et al. 2017, arXiv:1707.02937 (ICNR).
    """

    FACTOR = 2

    def __init__(self, before: int, after: int):
        super().__init__()
        self.convolution = nn.Conv2d(before, after * self.FACTOR**2, 1, bias=False)
        self.shuffle = nn.PixelShuffle(self.FACTOR)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(self.convolution(x))


class SelfAttention(nn.Module):
    """Every pixel looks at every other and adds what it finds, times a gate that begins at 0.

    Maps `(N, C, H, W)` keep their shape; keys and queries have C / 8 channels, values C / 2. The memory grows with
    `(H W)^2`.

    References
    ----------
    Zhang et al. 2019 (SAGAN), arXiv:1805.08318, eq. 1 to 3.
    """

    def __init__(self, channels: int):
        super().__init__()
        narrow, middle = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, narrow, 1, bias=False)
        self.key = nn.Conv2d(channels, narrow, 1, bias=False)
        self.value = nn.Conv2d(channels, middle, 1, bias=False)
        self.out = nn.Conv2d(middle, channels, 1, bias=False)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))  # (N, c, H W)
        looks = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # (N, H W, H W): rows sum to 1
        found = (value @ looks.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gate * self.out(found)


def initialise(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Draw the weights: convolutions after He et al. (2015), those of `ShuffleUp` after ICNR.

    Parameters
    ----------
    network : Module
        Its weights are replaced.
    generator : torch.Generator or None
        The stream they are drawn from; None: torch's global one.
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in network.modules():
        if isinstance(module, ShuffleUp):
            icnr(module.convolution.weight, generator)


def icnr(weight: Tensor, generator: torch.Generator | None = None) -> None:
    """Draw the kernels `(4 c, C, k, k)` of a convolution before PixelShuffle, the same for the 4 pixels of a block."""
    blocks = ShuffleUp.FACTOR**2
    kernels = weight.new_empty(len(weight) // blocks, *weight.shape[1:])
    nn.init.kaiming_normal_(kernels, nonlinearity="relu", generator=generator)
    with torch.no_grad():
        weight.copy_(kernels.repeat_interleave(blocks, dim=0))


def normalise_spectra(network: nn.Module, generator: torch.Generator | None = None) -> None:
    """Divide the weights of every convolution by their largest singular value, from now on (Miyato et al. 2018).

    The power iteration begins from vectors drawn from a stream of its own, not from torch's global one.

    Parameters
    ----------
    network : Module
        Its convolutions are changed.
    generator : torch.Generator or None
        Where the seed of that stream is drawn from; None: torch's global one.
    """
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in list(network.modules()):
            if isinstance(module, CONVOLUTIONS):
                spectral_norm(module)
