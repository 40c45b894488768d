"""The critic: stride-2 convolutions down to a few pixels, each of which has an opinion.

Shapes, for image side S: S / 2, S / 4, ... while the side stays even and above 8 px; the logit of an image is the mean
over its last map.
Sources: Wu 2021 (the blog); Isola et al. 2017, arXiv:1611.07004 (opinions of patches, seeing the input).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan.enhance.config import ATTENTION_SIDE, CriticConfig, UNetConfig
from gan.enhance.models.layers import SelfAttention, initialise, norm, normalise_spectra
from gan.enhance.models.unet import enlarged
from gan.models.dcgan import LEAK
from gan.models.layers import Network, SpatialDropout
from gan.models.strided import HalvingConv2d

LAST_SIDE = 8


def sides(image_size: int) -> list[int]:
    """Side after each halving, px: 112, 56, 28, 14, 7 for 224 px."""
    found: list[int] = []
    side = image_size
    while side % 2 == 0 and (side > LAST_SIDE or not found):
        side //= 2
        found.append(side)
    return found


def critic_widths(config: CriticConfig, image_size: int) -> list[int]:
    """Channels after each halving: `width` doubles, up to `max_width`."""
    return [min(config.width << i, config.max_width) for i in range(len(sides(image_size)))]


class Critic(Network):
    """Images `(N, C, S, S)` in [-1, 1], and their inputs `(N, C, S / k, S / k)` in [0, 1] if `conditional` -> `(N,)`.

    Higher is more like a deep image. LeakyReLU 0.2 between layers; no sigmoid (it is part of the loss).
    """

    def __init__(self, config: CriticConfig, model: UNetConfig):
        super().__init__()
        self.conditional, self.scale = config.conditional, model.scale
        steps = sides(model.output_size)
        widths = critic_widths(config, model.output_size)
        attention = next((i for i, side in enumerate(steps) if side <= ATTENTION_SIDE), None)
        before = model.channels * (2 if config.conditional else 1)
        layers: list[nn.Module] = []
        for i, after in enumerate(widths):
            layers.append(HalvingConv2d(before, after, 4))
            if i:
                layers += [norm(after, config.norm), SpatialDropout()]
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
            if config.attention and i == attention:
                layers.append(SelfAttention(after))
            before = after
        self.main = nn.Sequential(*layers, nn.Conv2d(before, 1, 3, 1, 1))

    def forward(self, images: Tensor, inputs: Tensor | None = None) -> Tensor:
        if self.conditional:
            if inputs is None:
                raise ValueError("a conditional critic needs the inputs of the images")
            images = torch.cat([images, 2.0 * enlarged(inputs, self.scale) - 1.0], dim=1)
        return self.main(images).float().mean((1, 2, 3))


def critic(config: CriticConfig, model: UNetConfig, *, rng: torch.Generator | None = None) -> Critic:
    """Build a critic for the outputs of a U-Net, freshly initialised, in training mode, on the CPU.

    Parameters
    ----------
    config : CriticConfig
        What to build.
    model : UNetConfig
        The U-Net whose outputs, (N, C, kS, kS) in [-1, 1], it judges.
    rng : torch.Generator or None
        The stream that weights are drawn from; None: torch's global one.

    Returns
    -------
    Critic
        Images, and the inputs (N, C, S, S) in [0, 1] where it is conditional, to opinions (N,).
    """
    network = Critic(config, model)
    initialise(network, rng)
    network.set_dropout(config.dropout, "hidden")
    if config.spectral_norm:
        normalise_spectra(network, rng)
    return network
