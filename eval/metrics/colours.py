"""Colours and power spectra: what the four shapes do not see."""

from __future__ import annotations

from functools import partial

from eval.metrics.registry import GALAXIES, Floor, Metric, Samples, split_floor

UNSEEN = "What shapes do not see"


def _colour(samples: Samples, name: str) -> float | None:
    return samples.comparison.colors.get(name)


for _name, _label in {"color_rg": "color r/g", "color_gb": "color g/b"}.items():
    _key = f"ks/{_name}"
    _value, _floor = partial(_colour, name=_name), partial(split_floor, key=_key)
    GALAXIES.add(Metric(name=_name, key=_key, label=_label, group=UNSEEN, value=_value, floor=_floor, worst=1.0))


def _spectrum_floor(samples: Samples) -> Floor | None:
    floor = samples.spectra.floor if samples.spectra else None
    return None if floor is None else Floor(floor)


@GALAXIES.metric("spectrum", label="mean power spectrum [dex]", group=UNSEEN, worst=100.0, floor=_spectrum_floor)
def spectrum(samples: Samples) -> float | None:
    """Root mean square difference of the mean log power spectra, dex (`eval.statistics.spectra`)."""
    return samples.spectra.distance if samples.spectra else None
