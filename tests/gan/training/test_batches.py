"""Batches: every image once, pairs flipped alike, workers' shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.training.batches import Batches, by_side, flip, to_signed, to_unit, transpose

CPU = torch.device("cpu")


def numbered(n: int, side: int = 4) -> np.ndarray:
    """Image i has value i everywhere but in its top left corner, which is 255."""
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, side, side, 3)).copy()
    images[:, 0, 0] = 255
    return images


def batches(images, batch_size, *, flips=False, **kw) -> Batches:
    return Batches(
        by_side(images),
        batch_size,
        device=CPU,
        flips=flips,
        order=torch.Generator().manual_seed(0),
        flip_stream=torch.Generator().manual_seed(1),
        **kw,
    )


def drawn(source: Batches) -> list[list[int]]:
    return [batch[4][:, 1, 1, 0].tolist() for batch in source.epoch()]


def flat(batches: list[list[int]]) -> list[int]:
    return [image for batch in batches for image in batch]


def test_an_epoch_draws_every_image_once_in_an_order_of_its_own():
    source = batches(numbered(12), 4)
    first, second = drawn(source), drawn(source)
    assert len(source) == 3 and [len(batch) for batch in first] == [4, 4, 4]
    assert sorted(flat(first)) == sorted(flat(second)) == list(range(12))
    assert first != second


def test_the_incomplete_batch_sits_out():
    source = batches(numbered(11), 4)
    left_out = [set(range(11)) - set(flat(drawn(source))) for _ in range(20)]
    assert all(len(out) == 3 for out in left_out)
    assert len(set().union(*left_out)) > 6


def test_flips_are_half_and_half_both_ways():
    corners = np.concatenate([b[4] for b in batches(numbered(250), 250, flips=True).epoch()])[:, :, :, 0] == 255
    counts = corners.sum(0)
    assert counts.sum() == 250
    assert all(35 < counts[y, x] < 90 for y in (0, 3) for x in (0, 3))


def test_pairs_share_order_and_flips():
    small, large = numbered(40, 4), numbered(40, 8)
    for batch in batches({4: small, 8: large}, 8, flips=True).epoch():
        assert torch.equal(batch[4][:, 1, 1, 0], batch[8][:, 3, 3, 0])
        corner_4 = (batch[4][:, :, :, 0] == 255).flatten(1).nonzero()[:, 1]
        corner_8 = (batch[8][:, :, :, 0] == 255).flatten(1).nonzero()[:, 1]
        assert torch.equal(corner_4 // 4 // 3, corner_8 // 8 // 7)
        assert torch.equal(corner_4 % 4 // 3, corner_8 % 8 // 7)


def test_workers_share_each_global_batch():
    images = numbered(12)
    alone = drawn(batches(images, 4))
    shares = [drawn(batches(images, 4, rank=rank, size=2)) for rank in range(2)]
    assert [a + b for a, b in zip(*shares, strict=True)] == alone


def test_a_memory_map_is_used_where_it_is(tmp_path):
    np.save(tmp_path / "4.npy", numbered(8))
    mapped = np.load(tmp_path / "4.npy", mmap_mode="r")
    assert sorted(flat(drawn(batches(mapped, 4, flips=True)))) == list(range(8))


def test_flip_is_a_mirror():
    x = torch.arange(12).view(1, 2, 2, 3)
    yes, no = torch.tensor([True]), torch.tensor([False])
    assert torch.equal(flip(x, yes, no), x.flip(2))
    assert torch.equal(flip(x, no, yes), x.flip(1))
    assert torch.equal(flip(x, yes, yes), x.flip(1, 2))


def test_ranges_and_memory_format():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3).expand(2, 4, 4, 3).contiguous()
    signed, unit = to_signed(x), to_unit(x)
    torch.testing.assert_close(signed[0, :, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))
    torch.testing.assert_close(unit[0, :, 0, 0], torch.tensor([0.0, 0.2, 1.0]))
    assert signed.is_contiguous(memory_format=torch.channels_last)


def test_bad_images_are_refused():
    with pytest.raises(ValueError, match="float64"):
        by_side(np.zeros((3, 4, 4, 3)))
    with pytest.raises(ValueError, match="expected"):
        by_side({8: numbered(3, 4)})
    with pytest.raises(ValueError, match="differ in number"):
        by_side({4: numbered(3, 4), 8: numbered(2, 8)})
    with pytest.raises(FieldError, match="at most the number of training images, 3"):
        batches(numbered(3), 4)
    with pytest.raises(FieldError, match="multiple of the number of workers, 2"):
        batches(numbered(9), 3, size=2)


def test_no_images_are_refused():
    for none in ({}, np.zeros((0, 4, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="images"):
            by_side(none)


@pytest.mark.parametrize(
    ("images", "batch_size", "worker", "named"),
    [
        ({4: numbered(8)}, 0, {}, "batch_size"),
        ({4: numbered(8)}, 4, {"rank": 2, "size": 2}, "rank"),
        ({4: numbered(8)}, 4, {"rank": 0, "size": 0}, "rank"),
        ({"inputs": numbered(8), "targets": numbered(7)}, 4, {}, "images"),
    ],
)
def test_batches_that_cannot_be_are_refused(images, batch_size, worker, named):
    rng = torch.Generator()
    with pytest.raises(FieldError, match=named):
        Batches(images, batch_size, device=CPU, flips=True, order=rng, flip_stream=rng, **worker)
    with pytest.raises(FieldError, match="n = 0"):
        batches(numbered(8), 4).first(4, 0)


def test_there_is_one_orientation_for_each_image():
    x, two, numbers = torch.zeros(3, 2, 2, 3), torch.tensor([True, False]), torch.zeros(3)
    for wrong in (two, numbers):
        with pytest.raises(FieldError, match="vertically"):
            flip(x, torch.ones(3, dtype=torch.bool), wrong)
        with pytest.raises(FieldError, match="chosen"):
            transpose(x, wrong)


def test_a_transposition_swaps_rows_and_columns_of_the_chosen():
    x = torch.arange(24).view(2, 2, 2, 3)
    turned = transpose(x, torch.tensor([False, True]))
    assert torch.equal(turned[0], x[0]) and torch.equal(turned[1], x[1].transpose(0, 1))
