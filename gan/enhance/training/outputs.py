"""Outputs of a generator kept for the critic's own phase."""

from __future__ import annotations

import tempfile

import numpy as np
import torch
from torch import nn

from gan.sample import to_uint8
from gan.training import optimiser
from gan.training.batches import to_unit


@torch.inference_mode()
def saved_outputs(
    generator: nn.Module, inputs: np.ndarray, block: int, device: torch.device, dtype: torch.dtype
) -> np.ndarray:
    """What `generator` makes of all inputs, on disk without a name: the space is free again once nothing refers to it.

    Parameters
    ----------
    generator : Module
        In evaluation mode.
    inputs : ndarray, (n, S, S, C) uint8
        Images.
    block : int
        Images that go through the network together.
    device, dtype
        Where and in what arithmetic.

    Returns
    -------
    ndarray, (n, k S, k S, C) uint8
    """
    made: np.ndarray | None = None
    with tempfile.TemporaryFile() as file:
        for start in range(0, len(inputs), block):
            part = to_unit(torch.from_numpy(np.array(inputs[start : start + block])).to(device))
            with optimiser.autocast(device, dtype):
                images = to_uint8(generator(part)).cpu().numpy()
            if made is None:
                made = np.memmap(file, np.uint8, "w+", shape=(len(inputs), *images.shape[1:]))
            made[start : start + block] = images
    if made is None:
        raise ValueError("no inputs to enhance")
    return made
