"""Shuffles that begin without checkerboards, and attention that begins as the identity."""

from __future__ import annotations

import pytest
import torch

from gan.enhance.models.layers import SelfAttention, ShuffleUp, initialise
from tests.gan.enhance.networks import blocks, stream

pytestmark = pytest.mark.usefixtures("one_thread")


def test_shuffle_makes_constant_blocks_at_first_whatever_it_is_given():
    up = ShuffleUp(6, 5)
    initialise(up, stream())
    made = up(torch.randn(2, 6, 4, 4, generator=stream(1)))
    assert made.shape == (2, 5, 8, 8)
    assert torch.equal(blocks(made), blocks(made)[..., :1].expand(-1, -1, -1, -1, 4))
    constant = up(torch.full((1, 6, 4, 4), 0.7))
    assert torch.equal(constant, constant[..., :1, :1].expand_as(constant))
    assert made.std() > 0.1  # and is not trivially constant


def test_a_plain_start_would_not_be_constant():
    up = ShuffleUp(6, 5)
    assert blocks(up(torch.full((1, 6, 4, 4), 0.7))).std(-1).max() > 0.01


def test_attention_begins_as_the_identity_and_then_mixes_all_pixels():
    layer = SelfAttention(8)
    initialise(layer, stream())
    x = torch.randn(1, 8, 4, 4, generator=stream(1))
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.gate.fill_(1.0)
    other = x.clone()
    other[..., 3, 3] += 1.0
    assert ((layer(other) - layer(x)).abs().sum(1)[0] > 0).all()


def test_attention_weights_are_a_mean_over_pixels():
    """Equal keys look at all pixels alike: what is found is the mean."""
    layer = SelfAttention(8)
    initialise(layer, stream())
    with torch.no_grad():
        layer.key.weight.zero_()
        layer.gate.fill_(1.0)
    x = torch.randn(1, 8, 4, 4, generator=stream(1))
    expected = x + layer.out(layer.value(x).mean((2, 3), keepdim=True))
    torch.testing.assert_close(layer(x), expected)
