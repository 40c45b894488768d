"""The U-Net that enhances images: depth, widths and attention by arithmetic from one `UNetConfig`.

Shapes, for input side S, output side k S, depth d: levels l = 0 .. d of side S / 2^l, with w_l = min(width 2^l,
max_width) channels; the encoder goes down the levels and the decoder up again, seeing the encoder's maps at each.
Sources: Ronneberger et al. 2015, arXiv:1505.04597; Wu 2021, the blog's "Astronomical Super-resolution".
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.enhance.config import ATTENTION_SIDE, UNetConfig
from gan.enhance.models.layers import SelfAttention, ShuffleUp, conv_block, initialise, norm, normalise_spectra
from gan.models.layers import Network
from gan.models.strided import HalvingConv2d

FULL = 1.0 - 1.0 / 255.0  # the brightest and faintest input, on [-1, 1]: tanh reaches no further
HEAD_SCALE = 0.1  # of the last layer's first weights, so that an untrained network nearly returns its input


def level_widths(config: UNetConfig) -> list[int]:
    """Channels of levels 0 to `depth`."""
    return [min(config.width << level, config.max_width) for level in range(config.depth + 1)]


def attention_level(config: UNetConfig) -> int:
    """The finest level of at most 32 px: where attention is affordable and still sees structure."""
    return next(level for level in range(config.depth + 1) if config.image_size >> level <= ATTENTION_SIDE)


class Halve(nn.Sequential):
    """One level down: stride-2 convolution, normalisation, ReLU, then a 3 x 3 block."""

    def __init__(self, before: int, after: int, config: UNetConfig):
        halving = HalvingConv2d(before, after, 4)
        super().__init__(
            halving, norm(after, config.norm), nn.ReLU(inplace=True), *conv_block(after, after, config.norm)
        )


class Double(nn.Module):
    """One level up: PixelShuffle, normalisation, ReLU; joined with the encoder's maps, then two 3 x 3 blocks."""

    def __init__(self, below: int, here: int, config: UNetConfig, *, attention: bool):
        super().__init__()
        self.up = nn.Sequential(ShuffleUp(below, here), norm(here, config.norm), nn.ReLU(inplace=True))
        self.main = nn.Sequential(*conv_block(2 * here, here, config.norm), *conv_block(here, here, config.norm))
        self.attention = SelfAttention(here) if attention else nn.Identity()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.attention(self.main(torch.cat([self.up(x), skip], dim=1)))


class UNet(Network):
    """Images `(N, C, S, S)` in [0, 1] -> enhanced images `(N, C, k S, k S)` in (-1, 1), float32.

    `S` may be any multiple of `2 ** depth`; rows and columns may differ. The output is `tanh(r + u)`, where u is what
    the network draws and r the input (at scale 2 enlarged bilinearly) on the same scale, `atanh(2 x - 1)`; without
    `residual`, r = 0. On faint pixels u is the logarithm of a flux ratio, so sky and core are corrected alike.
    """

    def __init__(self, config: UNetConfig):
        super().__init__()
        self.config, self.multiple = config, 2**config.depth
        widths = level_widths(config)
        attention = attention_level(config) if config.attention else None
        self.stem = conv_block(config.channels, widths[0], config.norm)
        self.down = nn.ModuleList(Halve(before, after, config) for before, after in itertools.pairwise(widths))
        self.middle = SelfAttention(widths[-1]) if attention == config.depth else nn.Identity()
        self.up = nn.ModuleList(
            Double(widths[level + 1], widths[level], config, attention=level == attention)
            for level in reversed(range(config.depth))
        )
        last = widths[0]
        self.enlarge: nn.Module = nn.Identity()
        if config.scale == 2:
            last = max(1, widths[0] // 2)
            self.enlarge = nn.Sequential(ShuffleUp(widths[0], last), norm(last, config.norm), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(last, config.channels, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)  # (N, w_0, S, S)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)  # (N, w_l, S / 2^l, S / 2^l)
        x = self.middle(x)
        for up in self.up:
            x = up(x, skips.pop())
        drawn = self.head(self.enlarge(x)).float()  # (N, C, k S, k S)
        if not self.config.residual:
            return torch.tanh(drawn)
        base = images if self.config.scale == 1 else enlarged(images, self.config.scale)
        return torch.tanh(drawn + torch.atanh((2.0 * base.float() - 1.0).clamp(-FULL, FULL)))


def enlarged(images: Tensor, scale: int) -> Tensor:
    """Images `(N, C, H, W)` with `scale` times the side, by bilinear interpolation; unchanged at 1."""
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)


def unet(config: UNetConfig, *, rng: torch.Generator | None = None) -> UNet:
    """Build a U-Net, freshly initialised, in training mode, on the CPU.

    Parameters
    ----------
    config : UNetConfig
        What to build.
    rng : torch.Generator or None
        The stream that weights are drawn from; None: torch's global one.

    Returns
    -------
    UNet
        Images (N, C, S, S) in [0, 1] to images (N, C, kS, kS) in [-1, 1].
    """
    network = UNet(config)
    initialise(network, rng)
    with torch.no_grad():
        network.head.weight.mul_(HEAD_SCALE)
    network.set_dropout(config.dropout, "hidden")
    if config.spectral_norm:
        normalise_spectra(network, rng)
    return network
