"""Nearest images in L1 over all four flips: exact, all cores, bounded memory.

The centre of every image is compared (F&M sec. 4.1: the middle 50%, where the galaxy is). L1 is
no matrix product, so pairs are ruled out by bounds instead: summing the pixels of a block cannot
increase an L1 distance, hence

    sum over blocks abs(sum of x - sum of y)  <=  sum over pixels abs(x - y).

A pair goes through a 4 x 4 grid of blocks, an 8 x 8 grid, and then the pixels themselves, one
row of blocks after another, each row's bound replaced by its true value; it is dropped as soon as
the total exceeds the best distance found so far. What is left is the true nearest image. On
Galaxy Zoo images noise keeps the bounds loose, so most of the gain is that of the last, byte-wise
loop, which compiles to the processor's sum-of-absolute-differences instruction
(`benchmarks/closest.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from eval.images.arrays import CollectionError
from eval.measure import cpus

FLIPS = ("as it is", "left-right", "up-down", "both")
COARSE, FINE = 4, 8
REFERENCES, QUERIES, TILE = 8192, 128, 256
_FAR = np.int32(2**31 - 1)


@dataclass(frozen=True)
class Nearest:
    """The nearest reference of every query.

    Attributes
    ----------
    index : ndarray
        (N,) int64, number of the reference.
    flip : ndarray
        (N,) int64, how the query was flipped to match it: a number of `FLIPS`.
    distance : ndarray
        (N,) float64, mean absolute difference per value of the compared centres, DN.
    """

    index: np.ndarray = field(repr=False)
    flip: np.ndarray = field(repr=False)
    distance: np.ndarray = field(repr=False)


def centre(images: np.ndarray, crop: float = 0.5) -> np.ndarray:
    """The middle of every image: (N, H, H, C) -> (N, h, h, C) with h nearest to crop * H, at least 1."""
    side = images.shape[1]
    kept = min(side, max(1, round(crop * side)))
    first = (side - kept) // 2
    return images[:, first : first + kept, first : first + kept]


def flipped(images: np.ndarray, flip: int) -> np.ndarray:
    """Images (..., H, W, C) flipped as `FLIPS[flip]` says."""
    images = images[..., ::-1, :] if flip & 1 else images
    return images[..., ::-1, :, :] if flip & 2 else images


def nearest(
    queries: Any,
    references: Any,
    *,
    crop: float = 0.5,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Nearest:
    """Find the nearest reference of every query in L1, over the four flips.

    Parameters
    ----------
    queries, references : ndarray
        (N, H, H, C) and (M, H, H, C) uint8. References are read 8,192 at a time, so they may be a
        memory map.
    crop : float
        Side of the compared centre as a share of H, in (0, 1].
    jobs : int, optional
        Threads; None: the CPUs that this process may use.
    progress : callable, optional
        Called with (queries times references done, in all).

    Returns
    -------
    Nearest
        Among equally near references the first; among equally good flips the first of `FLIPS`.

    Raises
    ------
    CollectionError
        The images are not uint8 stacks of one shape.
    ValueError
        `crop` is out of range.
    """
    queries, references = np.asanyarray(queries), np.asanyarray(references)
    if not 0 < crop <= 1:
        raise ValueError(f"crop = {crop!r} does not work: expected a share above 0, at most 1")
    for name, images in (("queries", queries), ("references", references)):
        if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
            raise CollectionError(f"{name} are {images.dtype} of shape {images.shape}: expected uint8 (N, H, H, C)")
    if queries.shape[1:] != references.shape[1:]:
        raise CollectionError(f"images of shapes {queries.shape[1:]} and {references.shape[1:]}: expected one shape")
    if (values := centre(queries[:1], crop).size) * 255 >= _FAR:
        raise CollectionError(f"centres of {values:,} values are too large: expected fewer than {_FAR // 255:,}")
    best = np.full(len(queries), _FAR)
    place = np.zeros(len(queries), np.int64)  # 4 * reference + flip
    done, total = 0, len(queries) * len(references)
    batches = [slice(start, start + QUERIES) for start in range(0, len(queries), QUERIES)]
    with ThreadPoolExecutor(jobs or cpus()) as pool:
        for start in range(0, len(references), REFERENCES):
            chunk = _Pixels.of(centre(references[start : start + REFERENCES], crop)[:, None])
            search = functools.partial(_search, queries, crop, chunk, start, best, place)
            for count in pool.map(search, batches):
                done += count * len(chunk.pixels)
                if progress is not None:
                    progress(done, total)
    return Nearest(index=place // 4, flip=place % 4, distance=best / values)


def _search(
    queries: np.ndarray,
    crop: float,
    chunk: _Pixels,
    start: int,
    best: np.ndarray,
    place: np.ndarray,
    batch: slice,
) -> int:
    """Search one batch of queries in one chunk of references; the batch's part of `best` and `place` is its own."""
    middle = centre(queries[batch], crop)
    every = _Pixels.of(np.stack([flipped(middle, flip) for flip in range(len(FLIPS))], axis=1))
    _search_tiles(
        every.pixels, every.coarse, every.fine,
        chunk.pixels[:, 0], chunk.coarse[:, 0], chunk.fine[:, 0],
        start, best[batch], place[batch],
    )  # fmt: skip
    return len(middle)


@dataclass(frozen=True)
class _Pixels:
    """Images as bytes, by rows of blocks, with their block sums.

    pixels : (N, flips, 8, L) uint8; a row of blocks that has fewer than L values ends in zeros.
    coarse : (N, flips, 4 * 4 * C) int32
    fine : (N, flips, 8, 8 * C) int32
    """

    pixels: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> _Pixels:
        """(N, flips, h, h, C) uint8 -> rows and sums."""
        n, flips, side, _, channels = images.shape
        edges = np.arange(FINE + 1) * side // FINE
        pixels = np.zeros((n, flips, FINE, int(np.diff(edges).max()) * side * channels), np.uint8)
        for row, (top, bottom) in enumerate(pairwise(edges)):
            values = images[:, :, top:bottom].reshape(n, flips, -1)
            pixels[:, :, row, : values.shape[-1]] = values
        coarse = _block_sums(images, np.arange(COARSE + 1) * side // COARSE)
        fine = _block_sums(images, edges)
        return cls(pixels, coarse.reshape(n, flips, -1), fine.reshape(n, flips, FINE, -1))


def _block_sums(images: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(..., h, h, C) uint8 -> (..., g, g, C) int32; blocks are empty where the image has fewer pixels than the grid."""
    *shape, _, side, channels = images.shape
    rows = np.zeros((*shape, len(edges) - 1, side, channels), np.int32)
    for row, (top, bottom) in enumerate(pairwise(edges)):
        rows[..., row, :, :] = images[..., top:bottom, :, :].sum(axis=-3, dtype=np.int32)
    sums = np.zeros((*shape, len(edges) - 1, len(edges) - 1, channels), np.int32)
    for column, (left, right) in enumerate(pairwise(edges)):
        sums[..., column, :] = rows[..., left:right, :].sum(axis=-2, dtype=np.int32)
    return sums


# --- Compiled ---------------------------------------------------------------------------------------------------------
# Sums are int32 throughout: the compiler knows the byte loop as one instruction only in this form.


@numba.njit(nogil=True, cache=True)
def _distance_of_sums(one, other):  # type: ignore[no-untyped-def]
    total = np.int32(0)
    for k in range(one.shape[0]):
        total = np.int32(total + np.int32(abs(np.int32(one[k] - other[k]))))
    return total


@numba.njit(nogil=True, cache=True)
def _distance_of_bytes(one, other):  # type: ignore[no-untyped-def]
    total = np.int32(0)
    for k in range(one.shape[0]):
        step = np.int32(np.int32(one[k]) - np.int32(other[k]))
        total = np.int32(total + np.int32(abs(step)))
    return total


@numba.njit(nogil=True, cache=True)
def _distance_or_more(query, query_fine, reference, reference_fine, limit, rows):  # type: ignore[no-untyped-def]
    """The distance, or a lower bound of it that exceeds `limit`."""
    total = np.int32(0)
    for row in range(rows.shape[0]):
        rows[row] = _distance_of_sums(query_fine[row], reference_fine[row])
        total = np.int32(total + rows[row])
    for row in range(rows.shape[0]):
        if total > limit:
            return total
        exact = _distance_of_bytes(query[row], reference[row])
        total = np.int32(total - rows[row] + exact)
    return total


@numba.njit(nogil=True, cache=True)
def _search_tiles(  # type: ignore[no-untyped-def]
    pixels, coarse, fine, reference_pixels, reference_coarse, reference_fine, start, best, place
):
    """Tile after tile of references, so that one stays in the cache for a whole batch of queries."""
    flips, references = pixels.shape[1], reference_pixels.shape[0]
    bounds = np.empty((TILE, flips), np.int32)
    rows = np.empty(fine.shape[2], np.int32)
    for first in range(0, references, TILE):
        count = min(TILE, references - first)
        for query in range(pixels.shape[0]):
            least, at = _FAR, 0
            for k in range(count):
                for flip in range(flips):
                    bound = _distance_of_sums(coarse[query, flip], reference_coarse[first + k])
                    bounds[k, flip] = bound
                    if bound < least:
                        least, at = bound, k * flips + flip
            # The pair that looks nearest goes first: a low best distance rules out more of the others.
            for step in range(-1, count * flips):
                pair = at if step < 0 else step
                k, flip = pair // flips, pair % flips
                if bounds[k, flip] > best[query]:
                    continue
                distance = _distance_or_more(
                    pixels[query, flip], fine[query, flip], reference_pixels[first + k], reference_fine[first + k],
                    best[query], rows,
                )  # fmt: skip
                found = (start + first + k) * flips + flip
                if distance < best[query] or (distance == best[query] and found < place[query]):
                    best[query], place[query] = distance, found
