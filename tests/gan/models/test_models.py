"""The registry of families."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from common.errors import FieldError
from gan.config import ModelConfig
from gan.models import FAMILIES, build, check


def test_unknown_family_is_named():
    with pytest.raises(FieldError, match=r"family = 'dcgam'.*dcgan"):
        check(ModelConfig(family="dcgam"))


def test_a_family_that_is_registered_can_be_built(monkeypatch):
    monkeypatch.setitem(FAMILIES, "mine", dataclasses.replace(FAMILIES["dcgan"]))
    generator, _ = build(ModelConfig(family="mine", image_size=16, width=1))
    assert generator(torch.zeros(2, 100)).shape == (2, 3, 16, 16)


def test_a_stream_decides_the_weights():
    config = ModelConfig(image_size=16, width=2)
    one, two, other = (build(config, rng=torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(one.main[0].weight, two.main[0].weight)
    assert not torch.equal(one.main[0].weight, other.main[0].weight)
