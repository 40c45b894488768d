"""The workers of one training, and what they exchange: plain `torch.distributed`, gloo or NCCL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """This process among the workers of one training.

    With more than one worker, `torch.distributed` must be initialised (gloo or NCCL).

    Attributes
    ----------
    rank, size : int
        Number of this worker, and of all.
    """

    rank: int
    size: int

    def share(self, total: int) -> slice:
        """Return this worker's part of a global batch of `total` images, a multiple of the number of workers."""
        part = total // self.size
        return slice(self.rank * part, (self.rank + 1) * part)

    def mean_in_place(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the workers, in one exchange.

        Parameters
        ----------
        tensors : sequence of Tensor
            Of one dtype, on one device; the same shapes on every worker.
        """
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of `values` over the workers, on the CPU."""
        values = values.clone()
        self.mean_in_place([values])
        return values.cpu()


ALONE = World(0, 1)
