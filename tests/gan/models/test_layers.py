"""Layers that all networks share: dropout of whole channels, where it acts, and the first weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import FieldError
from gan.config import ModelConfig
from gan.models import build
from gan.models.layers import SpatialDropout


def convolutions(network):
    return [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


def test_initial_weights_are_normal_002():
    generator, _ = build(ModelConfig(width=32), rng=torch.Generator().manual_seed(0))
    weights = torch.cat([layer.weight.detach().flatten() for layer in convolutions(generator)])
    assert weights.mean().abs() < 1e-4
    assert weights.std() == pytest.approx(0.02, rel=0.01)


def test_spatial_dropout_drops_whole_channels_and_keeps_the_mean():
    slot = SpatialDropout()
    slot.p, slot.generator = 0.25, torch.Generator().manual_seed(0)
    out = slot(torch.ones(200, 50, 2, 2))
    assert torch.equal(out, out[:, :, :1, :1].expand_as(out))
    assert out.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert out.mean() == pytest.approx(1.0, abs=0.02)


def test_workers_together_drop_what_one_alone_drops():
    x = torch.ones(6, 4, 1, 1)
    parts = []
    for rank, size, mine in ((0, 1, x), (0, 2, x[:3]), (1, 2, x[3:])):
        slot = SpatialDropout()
        slot.p, slot.generator, slot.share = 0.5, torch.Generator().manual_seed(0), (rank, size)
        parts.append(slot(mine))
    assert torch.equal(parts[0], torch.cat(parts[1:]))


@pytest.mark.parametrize(("where", "active"), [("none", []), ("hidden", [0, 1, 2]), ("last", [2])])
def test_where_dropout_acts(where, active):
    for network in build(ModelConfig(width=1)):
        network.set_dropout(0.3, where)
        assert [i for i, slot in enumerate(network.dropout_slots()) if slot.p == 0.3] == active


@pytest.mark.parametrize(("p", "where"), [(1.0, "hidden"), (0.5, "everywhere")])
def test_bad_dropout_is_refused(p, where):
    generator, _ = build(ModelConfig(image_size=16, width=1))
    with pytest.raises(FieldError):
        generator.set_dropout(p, where)
