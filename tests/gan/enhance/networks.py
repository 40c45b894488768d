"""Random streams and blocks of pixels for tests of networks."""

from __future__ import annotations

import torch


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blocks(x: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W, 4): the four pixels of every block."""
    return x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
