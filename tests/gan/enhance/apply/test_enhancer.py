"""Tiled enhancement: what a tile boundary may not show."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from gan.enhance.apply.enhancer import enhance, strips


class Nearest(nn.Module):
    """Repeats pixels k times and shifts their value by a bias; what it does is known exactly."""

    def __init__(self, scale: int = 1, multiple: int = 8):
        super().__init__()
        self.config, self.multiple = SimpleNamespace(scale=scale), multiple
        self.bias = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, ...]] = []

    def forward(self, x):
        assert x.shape[2] % self.multiple == 0 and x.shape[3] % self.multiple == 0
        self.seen.append(tuple(x.shape))
        signed, k = 2 * x - 1, self.config.scale
        return signed.repeat_interleave(k, 2).repeat_interleave(k, 3) + self.bias


class Blur(nn.Module):
    """A convolution that, like any, sees zeros beyond the edge of what it is given."""

    config, multiple = SimpleNamespace(scale=1), 8

    def __init__(self, radius: int):
        super().__init__()
        side = 2 * radius + 1
        self.conv = nn.Conv2d(3, 3, side, padding=radius, groups=3, bias=False)
        nn.init.constant_(self.conv.weight, 1 / side**2)

    def forward(self, x):
        return 2 * self.conv(x) - 1


def picture(height: int, width: int, n: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(5, 9), (64, 64), (64, 200), (200, 70), (131, 257)])
@pytest.mark.parametrize("scale", [1, 2])
def test_an_image_of_any_size_comes_back_pixel_by_pixel(shape, scale):
    images = picture(*shape, n=2)
    found = enhance(Nearest(scale), images, tile=64, overlap=16, batch_size=3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, images.repeat(scale, 1).repeat(scale, 2))


def test_tiles_leave_no_seam_where_the_overlap_covers_the_network_s_reach():
    network, image = Blur(radius=3), picture(150, 210)
    tiled = enhance(network, image, tile=64, overlap=16)  # a quarter of the overlap is not used: 4 px, more than 3
    whole = enhance(network, image, tile=216, overlap=0)
    np.testing.assert_array_equal(tiled[:, 4:-7, 4:-7], whole[:, 4:-7, 4:-7])


def test_without_overlap_the_same_network_does_leave_seams():
    network, image = Blur(radius=3), np.full((1, 128, 192, 3), 255, np.uint8)
    cut = enhance(network, image, tile=64, overlap=0).astype(int)
    whole = enhance(network, image, tile=192, overlap=0).astype(int)
    assert np.abs(cut - whole)[:, 3:-3, 3:-3].max() > 20


def test_a_brightness_that_differs_from_tile_to_tile_passes_over_gradually():
    class Moody(Nearest):
        def forward(self, x):
            return torch.zeros_like(x) + 0.1 * len(self.seen_tiles(x))

        def seen_tiles(self, x):
            self.seen.append(tuple(x.shape))
            return self.seen

    image = np.zeros((1, 64, 300, 3), np.float32)
    row = enhance(Moody(), image, tile=64, overlap=32, batch_size=1)[0, 32, :, 0]
    steps = np.abs(np.diff(row))
    assert row.max() - row.min() > 0.2
    assert steps.max() < 0.01  # a seam would be a step of 0.05


def test_floating_images_keep_their_type_and_are_clipped():
    images = np.linspace(0, 1, 2 * 40 * 24 * 3, dtype=np.float64).reshape(2, 40, 24, 3)
    network = Nearest()
    np.testing.assert_allclose(enhance(network, images), images, atol=1e-6)
    network.bias.data += 1.0
    brighter = enhance(network, images)
    assert brighter.dtype == np.float64
    np.testing.assert_allclose(brighter, np.clip(images + 0.5, 0, 1), atol=1e-6)


def test_small_images_share_batches_and_large_ones_never_hold_more_than_a_batch_of_tiles():
    network = Nearest()
    enhance(network, picture(24, 24, n=10), batch_size=4)
    assert [shape[0] for shape in network.seen] == [4, 4, 2]
    network.seen.clear()
    enhance(network, picture(300, 900), tile=64, overlap=16, batch_size=4)
    assert max(shape[0] for shape in network.seen) == 4
    assert {shape[2:] for shape in network.seen} == {(64, 64)}


def test_strips_come_in_order_and_make_up_the_image():
    image = picture(333, 100)[0]
    tops = []
    for top, rows in strips(Nearest(2), image, tile=64, overlap=16):
        tops.append((top, len(rows)))
    assert tops[0][0] == 0 and sum(h for _, h in tops) == 666
    assert all(top + height == after for (top, height), (after, _) in itertools.pairwise(tops))


def test_the_network_is_left_as_it_was():
    network = Nearest().train()
    enhance(network, picture(16, 16))
    assert network.training


@pytest.mark.parametrize(
    ("images", "options", "says"),
    [
        (np.zeros((4, 4, 3), np.uint8), {}, "expected"),
        (np.zeros((1, 4, 4, 3), np.int32), {}, "int32"),
        (np.zeros((1, 100, 100, 3), np.uint8), {"tile": 64, "overlap": 40}, "0 to 32"),
        (np.zeros((1, 100, 100, 3), np.uint8), {"tile": 64, "overlap": -1}, "0 to 32"),
    ],
)
def test_what_cannot_be_done_is_said(images, options, says):
    with pytest.raises(ValueError, match=says):
        enhance(Nearest(), images, **options)
