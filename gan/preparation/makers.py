"""What `gan.preparation.run` makes of each entry of a source: images of several sizes, or pairs.

A maker names the arrays of the set and turns the content of one entry into its row of each. It travels to the
processes that do the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from gan.data import GALAXY_SET, GalaxySet, ImageFolder, Kind
from gan.datasets.writer import describe_arrays
from gan.images.decode import decode
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import Content, Entry


@dataclass(frozen=True)
class Made:
    """One row of a set.

    Attributes
    ----------
    pixels : tuple of ndarray
        (side, side, 3) uint8 for each array of the maker's layout, in its order.
    width, height : int
        Of the original, px.
    bad_pixels : int
        Pixels of a cube that were replaced.
    about : dict
        Further columns of the index.
    """

    pixels: tuple[np.ndarray, ...]
    width: int
    height: int
    bad_pixels: int = 0
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Maker:
    """Images of several sizes; the base of the other kinds.

    Attributes
    ----------
    settings : DecodeSettings
        How files are read.
    """

    settings: DecodeSettings
    kind: ClassVar[Kind] = GALAXY_SET
    opener: ClassVar[type[ImageFolder]] = GalaxySet

    @property
    def layout(self) -> dict[str, int]:
        """Side in pixels of each array."""
        return {str(size): size for size in self.settings.sizes}

    def make(self, content: Content, entry: Entry) -> Made:
        """Turn the content of one entry into its row of each array.

        Parameters
        ----------
        content : bytes, ndarray or Pair
            From the reader of a source.
        entry : Entry
            Whose content it is.

        Returns
        -------
        Made

        Raises
        ------
        Refused
            With the reason, for anything that cannot be used.
        """
        decoded = decode(content, self.settings)  # type: ignore[arg-type]
        return Made(decoded.pixels, decoded.width, decoded.height, decoded.bad_pixels)

    def transform(self) -> dict[str, Any]:
        """What the manifest says about how rows are made; sets agree only where this does."""
        return self.settings.as_dict()

    def describe(self, arrays: Mapping[str, np.ndarray], hashes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of the manifest that describes the arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            By the names of `layout`.
        hashes : mapping of str to list of bytes
            `gan.data.image_hash` of every image.

        Returns
        -------
        dict
        """
        return {"format": self.kind.format, "version": self.kind.version, **describe_arrays(arrays, hashes)}
