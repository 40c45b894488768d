"""Where the tiles of a large image lie, and how they are blended: arithmetic along one axis, in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TRIM = 4  # of an overlap, one part in TRIM at each end is given no weight: there a network sees its zero padding


@dataclass(frozen=True)
class Axis:
    """Tiles along one axis of an image.

    Attributes
    ----------
    length : int
        Of the axis, px.
    tile : int
        Length of every tile, px; larger than `length` only by the padding of an axis that is a single tile.
    starts : tuple of int
        First pixel of each tile, ascending.
    """

    length: int
    tile: int
    starts: tuple[int, ...]

    def weights(self, scale: int) -> np.ndarray:
        """Weights of every tile's pixels in the result, `(tiles, scale * tile)` float32; they sum to 1 at each pixel.

        From tile to tile the weight passes over linearly within the overlap; the outer `1 / TRIM` of the overlap at
        either end has none.
        """
        raw = np.zeros((len(self.starts), self.tile * scale), np.float64)
        total = np.zeros(max(self.length, self.tile) * scale)
        pixel = (np.arange(self.tile * scale) + 0.5) / scale
        for i, start in enumerate(self.starts):
            rise = self._ramp(pixel, self.starts[i - 1] + self.tile - start) if i else 1.0
            last = i + 1 == len(self.starts)
            fall = 1.0 if last else self._ramp(self.tile - pixel, start + self.tile - self.starts[i + 1])
            raw[i] = np.minimum(rise, fall)
            total[start * scale : (start + self.tile) * scale] += raw[i]
        for i, start in enumerate(self.starts):
            raw[i] /= total[start * scale : (start + self.tile) * scale]
        return raw.astype(np.float32)

    @staticmethod
    def _ramp(depth: np.ndarray, overlap: int) -> np.ndarray:
        """0 to 1 over the inner part of an overlap, by the depth of each pixel below the tile's end."""
        trim = overlap / TRIM
        return np.clip((depth - trim) / max(overlap - 2 * trim, 1e-9), 0.0, 1.0)


def lay(length: int, *, tile: int, overlap: int, multiple: int) -> Axis:
    """Tiles that cover an axis: all of one length, evenly spread, neighbours sharing `overlap` pixels or more.

    Parameters
    ----------
    length : int
        Of the axis, px, 1 or more.
    tile, overlap : int
        Wanted length of a tile, rounded up to a multiple of `multiple`, and least overlap, px.
    multiple : int
        Lengths that the network takes are multiples of this.

    Raises
    ------
    ValueError
        The overlap leaves no room for a step.
    """
    tile = -(-tile // multiple) * multiple
    if length <= tile:
        return Axis(length, -(-length // multiple) * multiple, (0,))
    if not 0 <= overlap <= tile // 2:
        raise ValueError(f"overlap = {overlap}: expected 0 to {tile // 2}, half of the tile of {tile} px")
    count = -(-(length - overlap) // (tile - overlap))
    return Axis(length, tile, tuple(int(s) for s in np.linspace(0, length - tile, count).round()))
