"""How far the measured shapes of generated galaxies are from those of real ones (`eval.distances` computes them)."""

from __future__ import annotations

from functools import partial

from eval.metrics.registry import GALAXIES, Floor, Metric, Samples, split_floor
from eval.properties import PROPERTIES

SHAPES = "Shapes: KS, a galaxy without a fit counting as a value below all others"
DROPPED = "The paper's version: KS of fitted galaxies only"
CIRCLE = "Angle on its circle: Kuiper"
WASSERSTEIN = "Wasserstein-1 in units of the real spread"
ENERGY = "All shapes at once"


def _ks_floor(samples: Samples) -> Floor:
    """Of the KS of one property."""
    return Floor(samples.comparison.floor, samples.comparison.floor_95)


def _ks_mean_floor(samples: Samples) -> Floor:
    """Of the mean of four; its 95% is not that of one property, and not known."""
    return Floor(samples.comparison.floor_split or samples.comparison.floor)


def _energy_floor(samples: Samples) -> Floor:
    return Floor(samples.comparison.energy_floor, samples.comparison.energy_floor_95)


def _distance(samples: Samples, field: str, name: str) -> float | None:
    """The distance of one property, from a dict of the comparison."""
    values: dict[str, float] = getattr(samples.comparison, field)
    return values.get(name)


@GALAXIES.metric("ks_mean", label="mean of four", group=SHAPES, worst=1.0, floor=_ks_mean_floor)
def ks_mean(samples: Samples) -> float:
    """Mean of the KS distances of the four properties."""
    return samples.comparison.ks_mean


@GALAXIES.metric("ks_max", label="largest of four", group=SHAPES, worst=1.0, floor=partial(split_floor, key="ks_max"))
def ks_max(samples: Samples) -> float:
    """Largest of the KS distances of the four properties."""
    return samples.comparison.ks_max


for _name, _property in PROPERTIES.items():
    _value = partial(_distance, field="ks", name=_name)
    _key, _label = f"ks/{_name}", _property.label
    GALAXIES.add(Metric(name=_name, key=_key, label=_label, group=SHAPES, value=_value, floor=_ks_floor, worst=1.0))

_LABELS = {name: found.label for name, found in PROPERTIES.items()}
_ANGLES = {"position_angle": _LABELS["position_angle"], "position_angle_elongated": "position angle, ellipticity > 0.1"}
for _field, _group, _labels in (
    ("ks_dropped", DROPPED, _LABELS),
    ("kuiper", CIRCLE, _ANGLES),
    ("wasserstein", WASSERSTEIN, _LABELS),
):
    for _name, _label in _labels.items():
        _key = f"{_field}/{_name}"
        _value, _floor = partial(_distance, field=_field, name=_name), partial(split_floor, key=_key)
        GALAXIES.add(
            Metric(name=_key, key=_key, label=_label, group=_group, value=_value, floor=_floor, objective=False)
        )


@GALAXIES.metric("energy", label="energy distance in 5 dimensions", group=ENERGY, worst=100.0, floor=_energy_floor)
def energy(samples: Samples) -> float:
    """Energy distance of the four properties together (Szekely & Rizzo 2013)."""
    return samples.comparison.energy
