"""What an image may be and what it becomes: settings of `gan.images.decode`, and checks for all kinds of image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from PIL import Image

from common.errors import require
from gan.config import as_dict
from gan.images.rejections import Refused

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class DecodeSettings:
    """All that decides which pixels an image becomes; recorded in the manifest.

    Attributes
    ----------
    sizes : tuple of int
        Sides of the images to make, px; kept in ascending order.
    filter : str
        Resampling filter, a key of `FILTERS`; the paper's is "nearest".
    crop : bool
        Take the central square of an image that is not square instead of refusing it.
    greyscale : bool
        Take 8-bit greyscale images as three equal bands instead of refusing them.
    max_pixels : int
        Largest accepted width x height.
    bands : tuple of int
        Planes of a cube shown as red, green and blue.
    band_scale : tuple of float
        Factors on these planes before the stretch (0.65, 1, 1.76 gives DECaLS grz its usual colours).
    lupton_stretch, lupton_q, lupton_minimum : float
        Parameters of `astropy.visualization.make_lupton_rgb` for FITS cubes, in the unit of the cube.
    max_bad_pixels : float
        Largest accepted share of pixels of a cube without data: not finite in a band, or exactly 0 where a band
        is 0 over more than this share (coadds write 0 where no exposure reaches). Fewer are replaced by the
        median of their band.
    """

    sizes: tuple[int, ...] = (64, 128)
    filter: str = "nearest"
    crop: bool = False
    greyscale: bool = False
    max_pixels: int = 50_000_000
    bands: tuple[int, int, int] = (2, 1, 0)
    band_scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lupton_stretch: float = 0.1
    lupton_q: float = 8.0
    lupton_minimum: float = 0.0
    max_bad_pixels: float = 0.01

    def __post_init__(self):
        require(
            len(self.sizes) > 0 and len(set(self.sizes)) == len(self.sizes) and all(8 <= s <= 4096 for s in self.sizes),
            "sizes", list(self.sizes), "different whole numbers from 8 to 4096",
        )  # fmt: skip
        object.__setattr__(self, "sizes", tuple(sorted(self.sizes)))
        require(self.filter in FILTERS, "filter", self.filter, f"one of {', '.join(FILTERS)}")
        require(self.max_pixels >= max(self.sizes) ** 2, "max_pixels", self.max_pixels, "room for the largest size")
        require(len(self.bands) == 3 and min(self.bands) >= 0, "bands", list(self.bands), "three planes, 0 or more")
        require(
            len(self.band_scale) == 3 and all(0 < scale < math.inf for scale in self.band_scale),
            "band_scale",
            list(self.band_scale),
            "three factors",
        )
        require(math.isfinite(self.lupton_minimum), "lupton_minimum", self.lupton_minimum, "a finite number")
        require(0 < self.lupton_stretch < math.inf, "lupton_stretch", self.lupton_stretch, "a positive number")
        require(0 < self.lupton_q < math.inf, "lupton_q", self.lupton_q, "a positive number")
        require(0 <= self.max_bad_pixels < 1, "max_bad_pixels", self.max_bad_pixels, "a share in [0, 1)")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as values that JSON can hold."""
        return as_dict(self)


def check_size(width: int, height: int, settings: DecodeSettings) -> None:
    """Refuse an image that is too large, too small or not square.

    Parameters
    ----------
    width, height : int
        Of the image, px.
    settings : DecodeSettings
        What is accepted.

    Raises
    ------
    Refused
        With the reason.
    """
    if width * height > settings.max_pixels:
        raise Refused("too-large", f"{width} x {height} px; accepted: up to {settings.max_pixels:,} pixels")
    if min(width, height) < max(settings.sizes):
        raise Refused("too-small", f"{width} x {height} px for images of {max(settings.sizes)} px")
    if width != height and not settings.crop:
        raise Refused("not-square", f"{width} x {height} px")
