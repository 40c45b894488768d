"""The paper's DCGAN at any size: depth, widths and paddings by arithmetic from one `ModelConfig`.

Shapes, for image side S: L = log2(S) - 1 layers, sides 4, 8, ..., S in the generator and back in the discriminator.
Sources: Fussell & Moews 2019 (F&M), App. A and Table 1 (64 px), App. C (128 px); Radford et al. 2015.
"""

from __future__ import annotations

from torch import Tensor, nn

from gan.config import ModelConfig
from gan.models.family import Family
from gan.models.layers import Network, SpatialDropout, norm
from gan.models.strided import DoublingConv2d, HalvingConv2d

LEAK = 0.2
BASE = 4  # side of the smallest feature map, and kernel of the layers between it and 1 x 1


def layer_count(image_size: int) -> int:
    """Return the number of convolutions of either network for a side in px: 5 for 64, 6 for 128."""
    return image_size.bit_length() - 2


def generator_channels(config: ModelConfig) -> list[int]:
    """Return the channels out of each generator layer: `width` doubles away from the image (1024, 512, 256, 128, 3)."""
    hidden = layer_count(config.image_size) - 1
    return [config.width << i for i in reversed(range(hidden))] + [config.channels]


def discriminator_channels(config: ModelConfig) -> list[int]:
    """Return the channels out of each discriminator layer: its width doubles away from the image, then one logit."""
    hidden = layer_count(config.image_size) - 1
    return [config.effective_discriminator_width << i for i in range(hidden)] + [1]


class FromPoint(nn.ConvTranspose2d):
    """Transposed convolution of a 1 x 1 map: a matrix product, `(N, C, 1, 1) -> (N, C', K, K)`."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        side = self.kernel_size[0]
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.in_channels, -1)
        out = x.flatten(1) @ weight
        return out.view(len(x), side, side, self.out_channels).permute(0, 3, 1, 2)


class ToPoint(nn.Conv2d):
    """Convolution whose kernel covers the whole map: a matrix product, `(N, C, K, K) -> (N, C', 1, 1)`."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.permute(2, 3, 1, 0).reshape(-1, self.out_channels)
        out = x.permute(0, 2, 3, 1).reshape(len(x), -1) @ weight
        return out.view(len(x), self.out_channels, 1, 1)


class Generator(Network):
    """Noise `(N, latent_dim)` or `(N, latent_dim, 1, 1)` -> images `(N, channels, S, S)` in [-1, 1].

    Transposed convolutions without biases, stride 2 after the first; ReLU, tanh last (F&M Table 1).
    Batch norm and a dropout slot in every layer but the first and the last. The state dict has
    the layout of the authors' released `dcgan_G.pth`: for 64 px, convolutions `main.0, 2, 6, 10, 14`
    and batch norms `main.3, 7, 11`.

    Deviations
    ----------
    F&M App. C lists padding 3 for the last layer of the 128 px generator, which would make 124 px; it is 1 here.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.latent_dim, self.image_size = config.latent_dim, config.image_size
        first, *channels = generator_channels(config)
        layers: list[nn.Module] = [FromPoint(config.latent_dim, first, BASE, 1, 0, bias=False), nn.ReLU(inplace=True)]
        for before, after in zip([first, *channels[:-2]], channels[:-1], strict=True):
            layers += [
                DoublingConv2d(before, after, config.kernel_size),
                norm(after, config.batch_norm),
                SpatialDropout(),
                nn.ReLU(inplace=True),
            ]
        last = channels[-2] if len(channels) > 1 else first
        layers += [DoublingConv2d(last, channels[-1], config.kernel_size), nn.Tanh()]
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z.view(len(z), self.latent_dim, 1, 1))


class ConvDiscriminator(Network):
    """Images `(N, channels, S, S)` -> logits `(N,)`, by stride-2 convolutions without biases.

    LeakyReLU 0.2; batch norm and a dropout slot in every layer but the first and the last. The
    sigmoid of F&M Table 1 is part of the loss (`gan.training.losses`).

    Parameters
    ----------
    image_channels : int
        Bands of the images.
    channels : list of int
        Channels out of each layer; the last is 1.
    kernel_size : int
        Kernel of the stride-2 layers.
    batch_norm : bool
        Whether hidden layers after the first are normalised.
    first_padding : int or None
        Padding of the first layer; None: that which halves the side.
    """

    def __init__(
        self,
        image_channels: int,
        channels: list[int],
        *,
        kernel_size: int = 4,
        batch_norm: bool = True,
        first_padding: int | None = None,
    ):
        super().__init__()
        padding = kernel_size // 2 - 1
        first, *hidden, last = channels
        layers: list[nn.Module] = [
            nn.Conv2d(
                image_channels, first, kernel_size, 2, padding if first_padding is None else first_padding, bias=False
            ),
            nn.LeakyReLU(LEAK, inplace=True),
        ]
        for before, after in zip([first, *hidden[:-1]], hidden, strict=True):
            layers += [
                HalvingConv2d(before, after, kernel_size),
                norm(after, batch_norm),
                SpatialDropout(),
                nn.LeakyReLU(LEAK, inplace=True),
            ]
        layers += [ToPoint(hidden[-1] if hidden else first, last, BASE, 1, 0, bias=False)]
        self.main = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.main(images).flatten()


def generator(config: ModelConfig) -> Generator:
    """The DCGAN generator of `config` (12,656,384 parameters for the paper's 64 px, 47,851,264 for 128 px)."""
    return Generator(config)


def discriminator(config: ModelConfig) -> ConvDiscriminator:
    """The DCGAN discriminator of `config` (11,036,160 parameters for the paper's 64 px, 2,796,928 for 128 px).

    At 128 px the first layer pads by 3 (kernel 6: by 4), so that the sides are 128, 66, 33, 16, 8, 4, 1 (F&M App. C).
    """
    padding = config.kernel_size // 2 - 1
    return ConvDiscriminator(
        config.channels,
        discriminator_channels(config),
        kernel_size=config.kernel_size,
        batch_norm=config.batch_norm,
        first_padding=padding + 2 if config.image_size == 128 else None,
    )


FAMILY = Family(generator=generator, discriminator=discriminator)
