"""A small classifier of galaxies whose inner maps a perceptual loss can compare.

Shapes: level l = 0 .. L - 1 has maps of side S / 2^l with width 2^l channels.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from common.errors import require
from gan.config import as_dict
from gan.training.checkpoint import CheckpointError, fill, read, write

KIND = "features"


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """A features network.

    Attributes
    ----------
    channels : int
        Bands of the images.
    width : int
        Channels at full resolution; they double with every halving.
    levels : int
        Resolutions, the full one included.
    outputs : int
        Classes, or length of an embedding.
    """

    channels: int = 3
    width: int = 16
    levels: int = 4
    outputs: int = 4

    def __post_init__(self):
        for name in ("channels", "width", "levels", "outputs"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        require(self.levels <= 6, "levels", self.levels, "at most 6")


class FeatureNetwork(nn.Module):
    """Images `(N, C, S, S)` in [-1, 1] -> `(N, outputs)`; S is a multiple of `2 ** (levels - 1)`."""

    def __init__(self, config: FeatureConfig):
        super().__init__()
        self.config = config
        widths = [config.width << level for level in range(config.levels)]
        blocks = [_block(config.channels, widths[0], stride=1)]
        blocks += [_block(before, after, stride=2) for before, after in itertools.pairwise(widths)]
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(widths[-1], config.outputs)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The maps of every level, after their ReLU: `(N, width 2^l, S / 2^l, S / 2^l)`."""
        found = []
        for block in self.blocks:
            images = block(images)
            found.append(images)
        return found

    def embed(self, images: Tensor) -> Tensor:
        """The coarsest maps, averaged over pixels: `(N, width 2^(L - 1))`."""
        return self.maps(images)[-1].mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.embed(images))


def _block(before: int, after: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, 1, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def save_features(network: FeatureNetwork, path: str | os.PathLike[str], facts: dict[str, Any]) -> None:
    """Write a network with facts about its training, in the container of `gan.training.checkpoint`.

    Parameters
    ----------
    network : FeatureNetwork
        What is written.
    path : path-like
        The file; it appears when it is complete.
    facts : dict
        Plain values only.
    """
    write({"kind": KIND, "model": as_dict(network.config), "weights": network.state_dict(), "facts": facts}, path)


def load_features(path: str | os.PathLike[str]) -> tuple[FeatureNetwork, dict[str, Any]]:
    """Read a network that `save_features` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    network : FeatureNetwork
        In evaluation mode, on the CPU.
    facts : dict
        About its training.

    Raises
    ------
    CheckpointError
        As `gan.training.checkpoint.read`; or the file holds something else.
    """
    state = read(path)
    if state.get("kind") != KIND:
        raise CheckpointError(f"{path}: no features network; make one with python -m gan.enhance.features")
    network = FeatureNetwork(FeatureConfig(**state["model"]))
    fill(network, state["weights"], path)
    return network.eval(), state["facts"]
