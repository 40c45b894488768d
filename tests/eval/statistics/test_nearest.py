"""The search is exact, whatever the shapes, and finds what was planted."""

import numpy as np
import pytest

from eval.images.arrays import CollectionError
from eval.statistics.nearest import FLIPS, centre, flipped, nearest


def images(n: int, seed: int, *, size: int = 16, channels: int = 3, smooth: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if not smooth:
        return rng.integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    tilt = rng.normal(0, 0.3, (n, 2, 1, 1))
    radius = np.hypot(y * (1 + tilt[:, 0]), x * (1 + tilt[:, 1]) + 0.4 * y) / rng.uniform(1, 4, (n, 1, 1))
    grey = 200 * np.exp(-radius)[..., None] + rng.normal(10, 3, (n, size, size, channels))
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def by_force(queries, references, crop):
    """(N, M, 4) sums of absolute differences of the centres."""
    references = centre(references, crop).astype(np.int64)
    return np.array(
        [
            [[np.abs(flipped(query, flip) - reference).sum() for flip in range(4)] for reference in references]
            for query in centre(queries, crop).astype(np.int64)
        ]
    )


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize(
    ("size", "channels", "crop"), [(16, 3, 0.5), (16, 1, 1.0), (19, 4, 0.6), (32, 3, 0.5), (4, 3, 0.5), (6, 2, 0.2)]
)
def test_it_finds_what_brute_force_finds(size, channels, crop, smooth):
    queries = images(7, 1, size=size, channels=channels, smooth=smooth)
    references = images(300, 2, size=size, channels=channels, smooth=smooth)
    distances = by_force(queries, references, crop)
    found = nearest(queries, references, crop=crop)
    flat = distances.reshape(len(queries), -1)
    np.testing.assert_allclose(found.distance, flat.min(axis=1) / centre(queries[:1], crop).size)
    np.testing.assert_array_equal(found.index, flat.argmin(axis=1) // 4)
    np.testing.assert_array_equal(found.flip, flat.argmin(axis=1) % 4)


@pytest.mark.parametrize("flip", range(4))
def test_a_planted_copy_is_found_however_flipped(flip):
    references = images(9000, 3)  # more than one chunk
    planted = [0, 1234, 8191, 8192, 8999]
    found = nearest(flipped(references[planted], flip), references)
    np.testing.assert_array_equal(found.index, planted)
    np.testing.assert_array_equal(found.distance, 0)
    assert {FLIPS[number] for number in found.flip} == {FLIPS[flip]}


def test_only_the_centre_counts():
    references = images(20, 4)
    framed = np.full_like(references, 255)
    framed[:, 4:12, 4:12] = references[:, 4:12, 4:12]
    found = nearest(framed, references)
    np.testing.assert_array_equal(found.index, np.arange(20))
    np.testing.assert_array_equal(found.distance, 0)
    assert nearest(framed, references, crop=1.0).distance.min() > 50


def test_equals_go_to_the_first_and_threads_change_nothing():
    references = np.repeat(images(50, 5), 3, axis=0)
    queries = images(300, 6)
    one, two = nearest(queries, references, jobs=1), nearest(queries, references, jobs=2)
    assert (one.index % 3 == 0).all()
    for name in ("index", "flip", "distance"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_extremes_do_not_overflow():
    black, white = np.zeros((1, 64, 64, 3), np.uint8), np.full((1, 64, 64, 3), 255, np.uint8)
    assert nearest(black, white, crop=1.0).distance[0] == 255


def test_it_reads_a_memory_map_and_reports_progress(tmp_path):
    references = images(9000, 7)
    np.save(tmp_path / "a.npy", references)
    calls = []
    found = nearest(
        references[:200], np.load(tmp_path / "a.npy", mmap_mode="r"), progress=lambda *call: calls.append(call)
    )
    np.testing.assert_array_equal(found.index, np.arange(200))
    assert calls[-1] == (200 * 9000, 200 * 9000)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize(
    ("queries", "references", "options", "message"),
    [
        (images(2, 1), images(2, 1, size=8), {}, "expected one shape"),
        (images(2, 1).astype(float), images(2, 1), {}, "queries are float64"),
        (images(2, 1), images(2, 1)[:0], {}, "references are uint8 of shape"),
        (images(2, 1), images(2, 1), {"crop": 0.0}, "crop = 0.0 does not work"),
    ],
)
def test_what_cannot_be_searched_is_refused(queries, references, options, message):
    with pytest.raises((ValueError, CollectionError), match=message):
        nearest(queries, references, **options)
