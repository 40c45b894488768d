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
    symbol : str
        In mathematics, as matplotlib reads it.
    of : str
        What the unit is of, where the unit alone does not say it.
    ratio : bool
        Two values are compared by the logarithm of their ratio, not by their difference.
    """

    name: str
    label: str
    unit: str = ""
    symbol: str = ""
    of: str = ""
    ratio: bool = False

    @property
    def difference(self) -> str:
        """What two values are compared by: `ln flux`, `position angle, deg`."""
        if self.ratio:
            return f"ln {self.label}"
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def axis(self) -> str:
        """What stands at an axis of a figure: `flux [adu, sum over the frame]`."""
        named = f"{self.label}  {self.symbol}" if self.symbol else self.label
        unit = ", ".join(filter(None, (self.unit, self.of)))
        return f"{named} [{unit}]" if unit else named


PROPERTIES: dict[str, Property] = {
    this.name: this
    for this in (
        Property(name="ellipticity", label="ellipticity", symbol="$1 - b/a$"),
        Property(name="position_angle", label="position angle", unit="deg"),
        Property(name="flux", label="flux", unit="adu", of="sum over the frame", ratio=True),
        Property(name="semi_major_axis", label="semi-major axis", unit="pix", of="of the frame", ratio=True),
    )
}


def unit_of(column: str) -> str:
    """Return the unit of a catalogue's column, such as `flux` or `converged_flux`; empty where it has none."""
    found = PROPERTIES.get(column.removeprefix("converged_"))
    return found.unit if found else ""
