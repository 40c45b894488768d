"""The four measured properties: how figures, tables, reports and files name them, and their units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Property:
    """One measured property of a galaxy.

    Attributes
    ----------
    name : str
        Column of a catalogue.
    label : str
        In a sentence or on an axis.
    unit : str
        As astropy writes it; empty for a pure number. Flux is a sum of 8-bit grey levels (adu) over pixels of the
        measured frame, the semi-major axis is in pixels of that frame.
    """

    name: str
    label: str
    unit: str = ""


PROPERTIES: dict[str, Property] = {
    this.name: this
    for this in (
        Property(name="ellipticity", label="ellipticity"),
        Property(name="position_angle", label="position angle", unit="deg"),
        Property(name="flux", label="flux", unit="adu"),
        Property(name="semi_major_axis", label="semi-major axis", unit="pix"),
    )
}


def unit_of(column: str) -> str:
    """Return the unit of a catalogue's column, such as `flux` or `converged_flux`; empty where it has none."""
    found = PROPERTIES.get(column.removeprefix("converged_"))
    return found.unit if found else ""
