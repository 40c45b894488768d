"""Matrix products against PyTorch's convolutions, in double precision and as layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gan.models.strided import DoublingConv2d, HalvingConv2d, down_product, gradient_product, up_product


@pytest.mark.parametrize("kernel", [4, 6])
@pytest.mark.parametrize("side", [1, 2, 4, 5])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_products_are_the_convolutions(kernel, side, memory_format):
    rng = torch.Generator().manual_seed(0)
    large, weight, gradient = (
        torch.randn(*shape, dtype=torch.float64, generator=rng).to(memory_format=memory_format)
        for shape in ((2, 3, 2 * side, 2 * side), (5, 3, kernel, kernel), (2, 5, side, side))
    )
    large.requires_grad_(), weight.requires_grad_()
    small = F.conv2d(large, weight, None, 2, kernel // 2 - 1)
    by_large, by_weight = torch.autograd.grad(small, (large, weight), gradient)
    torch.testing.assert_close(down_product(large, weight), small)
    torch.testing.assert_close(up_product(gradient, weight), by_large)
    torch.testing.assert_close(gradient_product(large, gradient, kernel), by_weight)


@pytest.mark.parametrize("kernel", [4, 6])
@pytest.mark.parametrize(("layer", "side"), [(HalvingConv2d, 8), (DoublingConv2d, 4)])
@pytest.mark.parametrize("channels", [16, 512])
def test_layers_agree_with_float32_to_bfloat16_rounding(layer, side, kernel, channels):
    torch.manual_seed(0)
    own = layer(channels, 8, kernel)
    x = torch.randn(3, channels, side, side, requires_grad=True)
    plain = own(x)
    gradient = torch.randn_like(plain)
    expected = [plain, *torch.autograd.grad(plain, (x, own.weight), gradient)]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = own(x)
    assert type(rounded.grad_fn).__name__ in ("_DownBackward", "_UpBackward")
    found = [rounded, *torch.autograd.grad(rounded, (x, own.weight), gradient.bfloat16())]
    for a, b in zip(found, expected, strict=True):
        assert (a.float() - b).norm() < 0.01 * b.norm()
