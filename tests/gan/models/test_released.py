"""The authors' bare weights: recognised by their layout, and loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.config import ModelConfig
from gan.models import build
from gan.sample import sample
from gan.training import checkpoint
from gan.training.checkpoint import CheckpointError


def released(path, *, counters: bool, **changes):
    """A bare state dict of the layout of the authors' `dcgan_G.pth`."""
    network, _ = build(ModelConfig(width=2))
    weights = {k: v for k, v in network.state_dict().items() if counters or "num_batches" not in k}
    weights |= changes
    torch.save({key: value for key, value in weights.items() if value is not None}, path)
    return network


@pytest.mark.parametrize("counters", [True, False])
def test_the_authors_weights_load(tmp_path, counters):
    network = released(tmp_path / "dcgan_G.pth", counters=counters)
    generator, config = checkpoint.load_generator(tmp_path / "dcgan_G.pth")
    assert config == ModelConfig(width=2)
    assert np.array_equal(sample(generator, 3, seed=1), sample(network, 3, seed=1))


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(image_size=32, width=3, channels=1, latent_dim=9, kernel_size=6),
        ModelConfig(image_size=16, width=3, batch_norm=False),
    ],
)
def test_any_generator_is_recognised_by_its_weights(tmp_path, config):
    torch.save(build(config)[0].state_dict(), tmp_path / "g.pth")
    assert checkpoint.load_generator(tmp_path / "g.pth")[1] == config


def test_weights_that_do_not_fit_are_listed(tmp_path):
    path = tmp_path / "dcgan_G.pth"
    released(
        path, counters=False, **{"main.7.bias": None, "main.9.weight": torch.zeros(3), "main.11.bias": torch.ones(9)}
    )
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_generator(path)
    for problem in (
        "main.7.bias is missing",
        "main.9.weight is unknown",
        "main.11.bias has shape (9,) instead of (2,)",
    ):
        assert problem in str(caught.value)
    released(path, counters=False, **{"main.6.weight": None})
    with pytest.raises(CheckpointError, match=r"unknown layout: expected .* main\.6"):
        checkpoint.load_generator(path)
