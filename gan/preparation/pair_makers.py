"""Rows of a pair set: two images registered to one grid, or a deep image and its degradation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from common.errors import require
from gan.datasets.pair_set import INPUTS, PAIR_SET, SCALES, TARGETS, PairSet, describe_pairs
from gan.images.decode import read_square
from gan.images.decode_settings import FILTERS
from gan.images.degradation import DegradeSettings, degraded
from gan.images.registration import Registration, overlay, register
from gan.images.rejections import Refused
from gan.images.sources import Content, Entry, Pair
from gan.preparation.makers import Made, Maker

REGISTRATIONS = ("search", "none")
ASSUMPTIONS = (
    "colours stretched as asinh(softening x) / asinh(softening) of the mean of the bands; black is no light; "
    "the deep image's noise is white; round Gaussian seeings; no noise of the galaxy's own light"
)


@dataclass(frozen=True)
class _PairMaker(Maker):
    """What both kinds share.

    Attributes
    ----------
    size, scale : int
        Side of the inputs, px; that of the targets in units of it.
    """

    size: int = 128
    scale: int = 1
    kind: ClassVar = PAIR_SET
    opener: ClassVar = PairSet

    def __post_init__(self):
        require(self.scale in SCALES, "scale", self.scale, " or ".join(map(str, SCALES)))
        require(8 <= self.size <= 4096, "size", self.size, "a whole number from 8 to 4096")

    @property
    def layout(self) -> dict[str, int]:
        """See `Maker.layout`."""
        return {INPUTS: self.size, TARGETS: self.size * self.scale}

    def describe(self, arrays: Any, hashes: Any) -> dict[str, Any]:
        """See `Maker.describe`."""
        return describe_pairs(arrays, hashes)


@dataclass(frozen=True)
class RegisteredPairs(_PairMaker):
    """Two images of one galaxy, the second registered to the first.

    Attributes
    ----------
    registration : {"search", "none"}
        Find scale and shift (`gan.images.registration`), or take both images to show the same frame.
    least_correlation : float
        Pairs that agree less once registered are refused.
    """

    registration: str = "search"
    least_correlation: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        require(self.registration in REGISTRATIONS, "register", self.registration, " or ".join(REGISTRATIONS))
        require(-1 <= self.least_correlation <= 1, "min_correlation", self.least_correlation, "a number in [-1, 1]")

    def make(self, content: Content, entry: Entry) -> Made:
        """Decode both images, register them, and cut the square that both cover."""
        assert isinstance(content, Pair)
        settings = replace(self.settings, sizes=(self.size,))
        images, sizes, bad = [], [], 0
        for side, data in (("input", content.input), ("target", content.target)):
            try:
                image, width, height, replaced = read_square(data, settings)
            except Refused as refused:
                raise Refused(refused.reason, f"{side}: {refused.detail}") from None
            images.append(image)
            sizes.append((width, height))
            bad += replaced
        found = self._registered(images, content.zoom)
        common = found.common(images[0].width, images[1].width)
        for side, pixels, least in (
            ("input", common, self.size),
            ("target", common / found.zoom, self.size * self.scale),
        ):
            if pixels < least - 0.5:
                raise Refused("too-small", f"{side}: {pixels:.0f} px of common sky for images of {least} px")
        about = {
            "zoom": round(found.zoom, 5),
            "shift_x": round(found.dx, 3),
            "shift_y": round(found.dy, 3),
            "correlation": round(found.correlation, 4) if math.isfinite(found.correlation) else None,
            "common_px": round(common, 2),
            "target_width": sizes[1][0],
            "target_height": sizes[1][1],
        }
        return Made(overlay(images[0], images[1], found, self.size, self.scale), *sizes[0], bad, about)

    def transform(self) -> dict[str, Any]:
        """See `Maker.transform`."""
        search = "scale and shift of the target upon the input, no rotation: highest correlation of smoothed images"
        return {
            "kind": "registered",
            "size": self.size,
            "scale": self.scale,
            "registration": self.registration,
            "least_correlation": self.least_correlation,
            "method": search if self.registration == "search" else "both files taken to show the same frame",
            "frame": "largest square about the input's centre that both cover, each resampled once (Lanczos)",
            "decode": self.settings.as_dict(),
        }

    def _registered(self, images: list[Image.Image], zoom: float) -> Registration:
        if self.registration == "none":
            return Registration(images[0].width / images[1].width, 0.0, 0.0, math.nan)
        found = register(images[0], images[1], zoom=zoom)
        if found.correlation < self.least_correlation:
            detail = f"correlation {found.correlation:.2f} at best; accepted: from {self.least_correlation}"
            raise Refused("not-registered", detail)
        return found


@dataclass(frozen=True)
class DegradedPairs(_PairMaker):
    """A deep image as target, and its degradation as input.

    Attributes
    ----------
    degradation : DegradeSettings
    seed : int
    """

    degradation: DegradeSettings = field(default_factory=DegradeSettings)
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        require(self.seed >= 0, "seed", self.seed, "0 or more")

    def make(self, content: Content, entry: Entry) -> Made:
        """Decode the deep image, bring it to the target's size, degrade it."""
        side = self.size * self.scale
        image, width, height, bad = read_square(content, replace(self.settings, sizes=(side,)))  # type: ignore[arg-type]
        target = np.asarray(image.resize((side, side), FILTERS[self.settings.filter]))
        shallow, drawn = degraded(target, self.size, self.degradation, seed=self.seed, name=entry.name)
        return Made((shallow, target), width, height, bad, drawn)

    def transform(self) -> dict[str, Any]:
        """See `Maker.transform`."""
        return {
            "kind": "degraded",
            "size": self.size,
            "scale": self.scale,
            "seed": self.seed,
            "degradation": self.degradation.as_dict(),
            "assumes": ASSUMPTIONS,
            "decode": self.settings.as_dict(),
        }
