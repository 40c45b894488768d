"""Two stages as one generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.config import ModelConfig
from gan.models import build
from gan.models.chain import Chain
from gan.sample import sample

SMALL = ModelConfig(family="stackgan", image_size=32, width=4)


def seeded(config: ModelConfig):
    return build(config, rng=torch.Generator().manual_seed(0))


def test_a_chain_is_a_generator():
    first, _ = seeded(ModelConfig(image_size=16, width=4, latent_dim=6))
    second, _ = seeded(SMALL)
    chain = Chain(first, second)
    images = sample(chain, 70, seed=1)
    assert images.shape == (70, 32, 32, 3)
    assert np.array_equal(sample(chain, 5, seed=1, start=60, batch_size=3), images[60:65])
    z = torch.randn(2, 6)
    chain.eval()
    torch.testing.assert_close(chain(z), second((first(z) + 1) / 2))
    longer = Chain(chain, seeded(ModelConfig(family="stackgan", image_size=64, width=2))[0])
    assert sample(longer, 1, seed=0).shape == (1, 64, 64, 3)


def test_stages_that_do_not_fit_are_refused():
    first, _ = seeded(ModelConfig(image_size=32, width=1))
    second, _ = seeded(SMALL)
    with pytest.raises(ValueError, match="draws images of 32 px, but the second enlarges images of 16 px"):
        Chain(first, second)
    with pytest.raises(ValueError, match="must enlarge images"):
        Chain(first, first)
    with pytest.raises(ValueError, match="must draw images"):
        Chain(second, second)
