"""Named random streams."""

from __future__ import annotations

import torch

from gan.training.random_streams import Streams, stream_seed

CPU = torch.device("cpu")
NAMES = Streams.ON_CPU + Streams.ON_DEVICE


def test_every_name_and_seed_has_its_own_numbers():
    seeds = {stream_seed(seed, name) for seed in range(50) for name in NAMES}
    assert len(seeds) == 50 * len(NAMES)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_drawing_from_one_does_not_move_another():
    first, second = Streams(3, CPU), Streams(3, CPU)
    torch.rand(100, generator=first["labels"])
    assert torch.equal(torch.rand(5, generator=first["noise"]), torch.rand(5, generator=second["noise"]))


def test_they_go_on_from_a_state():
    streams = Streams(0, CPU)
    torch.rand(7, generator=streams["batches"])
    other = Streams(1, CPU)
    other.load_state_dict(streams.state_dict())
    for name in NAMES:
        assert torch.equal(torch.rand(3, generator=streams[name]), torch.rand(3, generator=other[name]))
