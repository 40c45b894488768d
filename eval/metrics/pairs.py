"""How near enhanced images come to their targets (`eval.statistics.enhancement_result` computes the figures)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from eval.metrics.registry import OTHERWISE_WORST, PAIRS, Metric, Sense
from eval.properties import PROPERTIES

if TYPE_CHECKING:
    from eval.statistics.enhancement_result import EnhancementResult

PIXELS, GALAXY, STRUCTURE, SOURCES = "Pixels", "Measured galaxies", "Structure", "Sources"


def _figure(result: EnhancementResult, name: str) -> float | None:
    return result.metrics().get(name)


def _add(name: str, label: str, group: str, sense: Sense, worst: float = OTHERWISE_WORST) -> None:
    value = partial(_figure, name=name)
    PAIRS.add(Metric(name=name, key=name, label=label, group=group, value=value, sense=sense, worst=worst))


_add("psnr", "PSNR [dB]", PIXELS, "largest", 0.0)
_add("ssim", "SSIM", PIXELS, "largest", 1.0)
_add("gain", "gain, mean of four", GALAXY, "largest", 1.0)
for _name, _property in PROPERTIES.items():
    _add(f"gain/{_name}", f"gain in {_property.label}", GALAXY, "largest", 1.0)
    _add(f"bias/{_name}", f"bias of {_property.label}", GALAXY, "nearest 0")
    _add(f"scatter/{_name}", f"scatter of {_property.label}", GALAXY, "smallest")
_add("flux_bias", "bias of the aperture flux [ln]", GALAXY, "nearest 0")
_add("flux_scatter", "scatter of the aperture flux [ln]", GALAXY, "smallest")
_add("spectrum", "power spectrum [dex]", STRUCTURE, "smallest")
_add("sharpness", "fine structure [dex]", STRUCTURE, "nearest 0")
_add("completeness", "completeness", SOURCES, "largest", 0.0)
_add("contamination", "contamination", SOURCES, "smallest", 1.0)
_add("hallucinations", "invented sources per galaxy", SOURCES, "smallest")
_add("misses", "missed sources per galaxy", SOURCES, "smallest")
_add("failed/prediction", "share without a fit", GALAXY, "smallest", 1.0)
