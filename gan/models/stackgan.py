"""Stage-II of the paper's StackGAN: a generator that doubles the side of images, and its discriminator.

Shapes, for output side S: input S/2, trunk at S/4 with `width` W channels, head 4 W channels at S/2, image at S.
Sources: Fussell & Moews 2019 (F&M), sec. 2.3, App. B, Table 1; the layout of the authors' released code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.errors import require
from gan.config import ModelConfig
from gan.models.dcgan import ConvDiscriminator, layer_count
from gan.models.family import Family
from gan.models.layers import Network, SpatialDropout, norm
from gan.models.strided import HalvingConv2d

BLOCKS = 6


def input_size(config: ModelConfig) -> int:
    """Return the side, px, of the images that the generator takes: half of what it returns."""
    return config.image_size // 2


def check(config: ModelConfig) -> None:
    """Raise `FieldError` for images that are too small to halve twice and still hold a galaxy."""
    require(config.image_size >= 32, "image_size", config.image_size, "a power of two from 32 to 512 for stackgan")


class EnlargingConv2d(nn.Conv2d):
    """Nearest-neighbour doubling, then a 3 x 3 convolution; where it narrows, the one transposed convolution they are.

    A large pixel sees two small pixels along each axis, not three: with kernel rows (w0, w1, w2) the transposed kernel
    is (w2, w1 + w2, w0 + w1, w0), stride 2, padding 1. That takes 4/9 of the products, and no enlarged copy in memory.
    """

    def __init__(self, before: int, after: int):
        super().__init__(before, after, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.out_channels >= self.in_channels:
            return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))
        flipped = self.weight.flip(2, 3)
        rows = F.pad(flipped, (0, 0, 0, 1)) + F.pad(flipped, (0, 0, 1, 0))
        kernel = F.pad(rows, (0, 1)) + F.pad(rows, (1, 0))
        return F.conv_transpose2d(x, kernel.transpose(0, 1), None, 2, 1)


def _conv3(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, 1, 1, bias=False)


class ResidualBlock(nn.Module):
    """conv-BN-ReLU, conv-BN, add, ReLU; a dropout slot behind."""

    def __init__(self, channels: int, batch_norm: bool):
        super().__init__()
        self.main = nn.Sequential(
            _conv3(channels),
            norm(channels, batch_norm),
            nn.ReLU(inplace=True),
            _conv3(channels),
            norm(channels, batch_norm),
        )
        self.dropout = SpatialDropout()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(torch.relu(self.main(x) + x))


class Generator(Network):
    """Images `(N, C, S/2, S/2)` in [0, 1] -> `(N, C, S, S)` in [-1, 1]; 16 convolutions without biases.

    The state dict has the layout of the authors' released `stackgan_G.pth`: `preprocessing.0`, `residual.{0..5}.main.
    {0,1,3,4}`, `ending_residual.{0,1}`, `main.{1,2,5}`.

    Deviations
    ----------
    The long skip is added behind the last residual ReLU, as in the released code; `long_skip="equation_19"` adds it
    before. The channels of the last two layers are those of F&M Table 1, not of the running text.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        width, batch_norm = config.width, config.batch_norm
        self.image_size, self.input_size = config.image_size, input_size(config)
        self.skip_before_relu = config.long_skip == "equation_19"
        self.preprocessing = nn.Sequential(
            HalvingConv2d(config.channels, width, config.kernel_size), nn.ReLU(inplace=True)
        )
        self.residual = nn.Sequential(*(ResidualBlock(width, batch_norm) for _ in range(BLOCKS)))
        self.ending_residual = nn.Sequential(_conv3(width), norm(width, batch_norm))
        self.main = nn.Sequential(
            nn.Identity(),  # keeps the layout's numbers: the doubling is part of the convolution
            EnlargingConv2d(width, 4 * width),
            norm(4 * width, batch_norm),
            nn.ReLU(inplace=True),
            SpatialDropout(),
            EnlargingConv2d(4 * width, config.channels),
            nn.Tanh(),
        )

    def forward(self, images: Tensor) -> Tensor:
        small = self.preprocessing(images)  # (N, W, S/4, S/4)
        end = self.ending_residual(self.residual(small))
        joined = torch.relu(end + small) if self.skip_before_relu else torch.relu(end) + small
        return self.main(joined)  # (N, C, S, S)


def discriminator_channels(config: ModelConfig) -> list[int]:
    """Channels out of each layer: 1, 2, 2, 4, 8 times the width for 128 px; the 2 repeats for larger sides."""
    hidden = layer_count(config.image_size) - 1
    factors = [1, *[2] * (hidden - 3), 4, 8] if hidden > 3 else [1, 2, 4][:hidden]
    return [config.effective_discriminator_width * factor for factor in factors] + [1]


def generator(config: ModelConfig) -> Generator:
    """The Stage-II generator of `config` (2,531,072 parameters for the paper's)."""
    return Generator(config)


def discriminator(config: ModelConfig) -> ConvDiscriminator:
    """The Stage-II discriminator of `config` (12,085,248 parameters for the paper's 128 px)."""
    return ConvDiscriminator(
        config.channels,
        discriminator_channels(config),
        kernel_size=config.kernel_size,
        batch_norm=config.batch_norm,
    )


FAMILY = Family(
    generator=generator, discriminator=discriminator, generator_input="image", input_size=input_size, check=check
)
