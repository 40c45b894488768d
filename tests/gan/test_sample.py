"""Sampling: an image is a function of its seed and its number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.config import ModelConfig
from gan.models import build
from gan.sample import noise, sample, to_uint8


@pytest.fixture
def generator():
    torch.set_num_threads(1)
    network, _ = build(ModelConfig(image_size=16, width=4, latent_dim=6), rng=torch.Generator().manual_seed(0))
    for _ in range(30):
        network(torch.randn(32, 6))  # running statistics of its own activations, so that images differ
    return network


def test_images_do_not_depend_on_batches_or_on_what_else_is_drawn(generator):
    everything = sample(generator, 200, seed=5)
    assert everything.shape == (200, 16, 16, 3) and everything.dtype == np.uint8
    assert len(np.unique(everything.reshape(200, -1), axis=0)) == 200
    for start, n, batch_size in ((0, 1, 1), (63, 2, 7), (64, 64, 64), (130, 70, 1000)):
        part = sample(generator, n, seed=5, start=start, batch_size=batch_size)
        assert np.array_equal(part, everything[start : start + n])
    assert not np.array_equal(sample(generator, 200, seed=6), everything)


def test_the_generator_is_left_in_its_mode(generator):
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    generator.train()
    sample(generator, 3, seed=0)
    assert generator.training
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def test_none_is_an_empty_array(generator):
    assert sample(generator, 0, seed=0).shape == (0, 16, 16, 3)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"n": -1}, "n = -1"), ({"seed": -1}, "seed"), ({"seed": 2**64}, "seed"), ({"start": -1}, "start"),
     ({"batch_size": 0}, "batch_size")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused(generator, wrong, named):
    with pytest.raises(FieldError, match=named):
        sample(generator, **{"n": 1, "seed": 0, **wrong})


@pytest.mark.parametrize("arguments", [(-1, 0, 1, 2), (0, -1, 1, 2), (0, 0, -1, 2), (0, 0, 1, 0)])
def test_noise_out_of_range_is_refused(arguments):
    with pytest.raises(FieldError):
        noise(*arguments)


def test_noise_is_standard_normal_and_never_repeats():
    z = noise(3, 0, 6400, 20)
    assert z.dtype == np.float32
    assert abs(z.mean()) < 0.01 and abs(z.std() - 1) < 0.01
    assert len(np.unique(z[:, 0])) == 6400
    assert np.array_equal(noise(3, 100, 50, 20), z[100:150])


def test_pixels_are_rounded_and_clipped():
    x = torch.tensor([-1.0, -0.999, 0.0, 1.0, 1.7]).view(1, 1, 1, 5)
    assert to_uint8(x).flatten().tolist() == [0, 0, 128, 255, 255]
