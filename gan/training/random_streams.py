"""Named random streams that all derive from one seed."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def stream_seed(seed: int, name: str) -> int:
    """Return a 63-bit seed of the stream `name`, independent of every other name's.

    Parameters
    ----------
    seed : int
        Where all streams derive from, 0 or more.
    name : str
        Of the stream.
    """
    words = np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1, np.uint64)
    return int(words[0]) >> 1


class Streams:
    """One `torch.Generator` per purpose, so that a change in one never shifts another.

    Parameters
    ----------
    seed : int
        Where every stream derives from.
    device : torch.device
        Where `noise`, `labels` and `dropout` are drawn; `init`, `batches` and `flips` are always drawn on the CPU.
    """

    ON_CPU = ("init", "batches", "flips")
    ON_DEVICE = ("noise", "labels", "dropout")

    def __init__(self, seed: int, device: torch.device):
        places = {name: torch.device("cpu") for name in self.ON_CPU} | {name: device for name in self.ON_DEVICE}
        self._streams = {
            name: torch.Generator(place).manual_seed(stream_seed(seed, name)) for name, place in places.items()
        }

    def __getitem__(self, name: str) -> torch.Generator:
        return self._streams[name]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """State of each stream, as byte tensors."""
        return {name: stream.get_state() for name, stream in self._streams.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue every stream exactly where `state` was taken (on the same kind of device)."""
        for name, stream in self._streams.items():
            stream.set_state(state[name].cpu())
