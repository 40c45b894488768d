"""Stride-2 convolutions that are matrix products where that is faster: bfloat16 on the CPU, small maps.

oneDNN's bfloat16 kernels are slow where maps are small and channels many (weight gradients above all), which is
where a DCGAN has most of its weights. There the same sums are taken by matrix products over patches; everywhere else
(other devices, float32, larger maps) PyTorch's own convolutions run.

Shapes: small side s, large side 2 s; the "down" direction is (N, A, 2s, 2s) -> (N, B, s, s), "up" is its transpose.
Weights are (B, A, K, K) for both, which is the layout of `Conv2d` and of `ConvTranspose2d`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

PRODUCT_SIDE = 4  # small sides up to this one go by matrix products
UP_CHANNELS = 512  # upwards only with at least this many channels


def _windows(padded: Tensor, side: int, taps: int, stride: int, row: int, column: int) -> Tensor:
    """Patches of an (N, H, W, C) map, one per row: (N side side, taps taps C)."""
    n, _, _, channels = padded.shape
    sn, sh, sw, sc = padded.stride()
    view = padded.as_strided(
        (n, side, side, taps, taps, channels),
        (sn, stride * sh, stride * sw, sh, sw, sc),
        padded.storage_offset() + row * sh + column * sw,
    )
    return view.reshape(n * side * side, taps * taps * channels)


def _patches(large: Tensor, kernel: int) -> Tensor:
    """What each small pixel sees of the large map: (N s s, K K A)."""
    padding = kernel // 2 - 1
    padded = F.pad(large.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding))
    return _windows(padded, large.shape[2] // 2, kernel, 2, 0, 0)


def _rows(maps: Tensor) -> Tensor:
    """(N, C, s, s) -> (N s s, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def down_product(large: Tensor, weight: Tensor) -> Tensor:
    """Stride-2 convolution with padding K/2 - 1, as one matrix product."""
    b, _, kernel, _ = weight.shape
    out = _patches(large, kernel) @ weight.permute(0, 2, 3, 1).reshape(b, -1).t()
    side = large.shape[2] // 2
    return out.view(len(large), side, side, b).permute(0, 3, 1, 2)


def up_product(small: Tensor, weight: Tensor) -> Tensor:
    """Its transpose, as four matrix products: one for each parity of the large map's rows and columns."""
    _, a, kernel, _ = weight.shape
    n, _, side, _ = small.shape
    taps, padding = kernel // 2, kernel // 2 - 1
    padded = F.pad(small.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    out = small.new_empty(n, side, 2, side, 2, a)
    # Large row 2m + parity takes kernel rows k of the parity's own kind from small rows m + (parity + padding - k) / 2.
    rows = [range((parity + padding) % 2 + 2 * (taps - 1), -1, -2) for parity in range(2)]
    starts = [1 + (parity + padding - rows[parity][0]) // 2 for parity in range(2)]
    kernels = weight.permute(2, 3, 0, 1).contiguous()
    for i in range(2):
        for j in range(2):
            part = kernels[list(rows[i])][:, list(rows[j])].reshape(-1, a)
            seen = _windows(padded, side, taps, 1, starts[i], starts[j])
            out[:, :, i, :, j] = (seen @ part).view(n, side, side, a)
    return out.view(n, 2 * side, 2 * side, a).permute(0, 3, 1, 2)


def gradient_product(large: Tensor, small: Tensor, kernel: int) -> Tensor:
    """Gradient of the weight (B, A, K, K), for a map and the gradient of the other one."""
    product = _rows(small).t() @ _patches(large, kernel)
    return product.view(small.shape[1], kernel, kernel, large.shape[1]).permute(0, 3, 1, 2)


def _up(small: Tensor, weight: Tensor) -> Tensor:
    if small.shape[1] >= UP_CHANNELS:
        return up_product(small, weight)
    return F.conv_transpose2d(small, weight, None, 2, weight.shape[2] // 2 - 1)


class _Down(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, large: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(large, weight)
        return down_product(large, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        large, weight = ctx.saved_tensors
        return (
            _up(gradient, weight) if ctx.needs_input_grad[0] else None,
            gradient_product(large, gradient, weight.shape[2]) if ctx.needs_input_grad[1] else None,
        )


class _Up(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, small: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(small, weight)
        return _up(small, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        small, weight = ctx.saved_tensors
        return (
            down_product(gradient, weight) if ctx.needs_input_grad[0] else None,
            gradient_product(gradient, small, weight.shape[2]) if ctx.needs_input_grad[1] else None,
        )


def by_products(x: Tensor, small_side: int) -> bool:
    """Whether this call goes by matrix products: bfloat16 autocast on the CPU, and a small enough map."""
    return (
        x.device.type == "cpu"
        and small_side <= PRODUCT_SIDE
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") is torch.bfloat16
    )


class HalvingConv2d(nn.Conv2d):
    """`Conv2d` of stride 2 that halves an even side; its matrix products can be differentiated once."""

    def __init__(self, before: int, after: int, kernel_size: int):
        super().__init__(before, after, kernel_size, 2, kernel_size // 2 - 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 2 == 0 and by_products(x, x.shape[2] // 2):
            return _Down.apply(x.bfloat16(), self.weight.bfloat16())
        return super().forward(x)


class DoublingConv2d(nn.ConvTranspose2d):
    """`ConvTranspose2d` of stride 2 that doubles the side; its matrix products can be differentiated once."""

    def __init__(self, before: int, after: int, kernel_size: int):
        super().__init__(before, after, kernel_size, 2, kernel_size // 2 - 1, bias=False)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if by_products(x, x.shape[2]):
            return _Up.apply(x.bfloat16(), self.weight.bfloat16())
        return super().forward(x, output_size)
