"""FITS images through an enhancer: linear values in and out, the sky coordinates kept, any size in bounded memory."""

from __future__ import annotations

import contextlib
import string
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common.fits_images import FitsError, open_image
from gan.enhance.apply.stretch import LinearStretch, LuptonStretch, Stretch
from gan.images.rejections import Refused

SURFACE_BRIGHTNESS = ("arcsec", "/sr", "sr-1", "beam", "deg")
"""In BUNIT: values per area of sky, which a finer grid does not change."""
SATURATION = 1e-5
"""A pixel whose brightest colour is nearer to 1 than this may be brighter than the stretch can show."""
LOOKUP_DISTORTIONS = ("CPDIS1", "CPDIS2", "D2IMDIS1", "D2IMDIS2")


class FitsImage:
    """The first image of a FITS file as an array (H, W, C) float32 in [0, 1], read and stretched piece by piece.

    Rows stay in the order of the file, from the bottom up.

    Attributes
    ----------
    planes : ndarray
        (bands, H, W) as in the file, a memory map where the file allows it.
    header : astropy.io.fits.Header
    stretch : Stretch
        What turns the file's values into those that the network knows.
    shape : tuple of int
        (H, W, C) as the network is given it.
    """

    ndim = 3
    dtype = np.dtype(np.float32)

    def __init__(self, planes: np.ndarray, header: Any, *, channels: int, bands: tuple[int, ...], stretch: Stretch):
        self.planes, self.header, self.channels, self.stretch = planes, header, channels, stretch
        self.bands = bands if len(planes) > 1 else (0,)
        self.shape = (*planes.shape[1:], channels)

    @property
    def is_bytes(self) -> bool:
        """Whether the file holds 8-bit values, which are colours already."""
        return self.planes.dtype == np.uint8

    def __getitem__(self, place: tuple[slice, slice]) -> np.ndarray:
        unit = self.stretch.forward(self._values(place))
        return np.where(np.isfinite(unit), unit, np.float32(0))

    def _values(self, place: tuple[slice, slice]) -> np.ndarray:
        """(h, w, C) in the unit of the file; one band is repeated for a network that takes several."""
        chosen = [np.asarray(self.planes[band][place], np.float64) for band in self.bands]
        return np.stack(chosen if len(chosen) == self.channels else chosen * self.channels, axis=-1)

    def _saturated(self, place: tuple[slice, slice]) -> np.ndarray:
        """(h, w, C): what pixels too bright for the stretch have above its white, 0 for others."""
        values = self._values(place)
        unit = self.stretch.forward(values)
        above = np.clip(values - self.stretch.inverse(unit), 0.0, None)
        return np.where(unit.max(-1, keepdims=True) > 1.0 - SATURATION, above, 0.0)

    def restored(self, rows: np.ndarray, top: int, scale: int) -> np.ndarray:
        """Enhanced rows as planes in the unit and order of the file.

        Where a core is too bright for the stretch, what it has above white is added again: the network has not seen it.

        Parameters
        ----------
        rows : (h, W, C) float array in [0, 1]
            Of the result, `top` its first row.
        scale : int
            Of the network.

        Returns
        -------
        (bands, h, W) float array
            NaN over pixels of the file without a value.
        """
        below = slice(top // scale, (top + len(rows)) // scale)
        values = self.stretch.inverse(rows)
        if not self.is_bytes:
            values = values + self._saturated((below, slice(None))).repeat(scale, 0).repeat(scale, 1)
        values = np.moveaxis(values, -1, 0)
        values = values.mean(0, keepdims=True) if len(self.bands) == 1 else values[np.argsort(self.bands)]
        if self.is_bytes:
            return values
        empty = ~np.isfinite(self._values((below, slice(None)))).all(-1)
        values = values / self.share_of_flux(scale)
        values[:, empty.repeat(scale, 0).repeat(scale, 1)] = np.nan
        return values

    def share_of_flux(self, scale: int) -> float:
        """What values are divided by, so that sums over the same sky stay the same on a finer grid."""
        unit = str(self.header.get("BUNIT", "")).lower()
        per_area = any(word in unit for word in SURFACE_BRIGHTNESS)
        return 1.0 if per_area or self.is_bytes else float(scale * scale)


@contextlib.contextmanager
def open_fits(path: Path, *, channels: int, bands: tuple[int, ...], stretch: Stretch) -> Iterator[FitsImage]:
    """Open the first image of a FITS file.

    Parameters
    ----------
    channels : int
        That the network takes.
    bands : tuple of int
        Planes of a cube that become red, green and blue.
    stretch : Stretch
        For files of numbers; bytes are taken as the colours that they are.

    Raises
    ------
    Refused
        It cannot be read, or is no image of that many bands.
    """
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stored = stack.enter_context(open_image(path))
            planes, header = _planes(stored.mapped()), stored.header
        except FitsError as error:
            raise Refused("wrong-shape" if error.reason == "no-image" else error.reason, str(error)) from None
        if len(planes) != 1 and (len(bands) != channels or max(bands) >= len(planes)):
            raise Refused(
                "wrong-shape",
                f"{len(planes)} planes; the network takes {channels} bands: an image of one plane, or a cube with "
                f"planes {', '.join(map(str, bands))} (--bands)",
            )
        if planes.dtype == np.uint8:
            stretch = LinearStretch(low=0, high=255)
        yield FitsImage(planes, header, channels=channels, bands=bands, stretch=stretch)


def _planes(data: np.ndarray) -> np.ndarray:
    """(bands, H, W) of an image with 2 or 3 axes, or 4 of which the first is 1."""
    if data.ndim == 4 and data.shape[0] == 1:
        data = data[0]
    if data.ndim == 2:
        data = data[None]
    if data.ndim != 3:
        raise Refused("wrong-shape", f"FITS image of shape {data.shape}; accepted: (H, W) or (bands, H, W)")
    return data


def write_fits(
    image: FitsImage, strips: Iterator[tuple[int, np.ndarray]], path: Path, *, scale: int, cards: dict[str, Any]
) -> None:
    """Write an enhanced image plane by plane and strip by strip, without ever holding it whole.

    Parameters
    ----------
    strips : iterator
        Of `gan.enhance.apply.enhancer.strips`.
    path : Path
        Written in place: give a temporary name.
    cards : dict
        Further header cards: value, or (value, comment), by keyword.
    """
    from astropy.io import fits

    height, width = image.shape[0] * scale, image.shape[1] * scale
    shape = (height, width) if image.header.get("NAXIS") == 2 else (len(image.bands), height, width)
    kind = np.dtype(">f4") if not image.is_bytes else np.dtype(np.uint8)
    header = enhanced_header(image, scale)
    for key, value in cards.items():
        header[key] = value
    hdu = fits.PrimaryHDU(header=header)
    hdu.header["BITPIX"] = -32 if not image.is_bytes else 8
    hdu.header["NAXIS"] = len(shape)
    for axis, length in enumerate(reversed(shape), 1):
        hdu.header.set(f"NAXIS{axis}", length, after="NAXIS" if axis == 1 else f"NAXIS{axis - 1}")
    head = hdu.header.tostring().encode("ascii")
    size = int(np.prod(shape)) * kind.itemsize
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + -(-size // 2880) * 2880)
    out = np.memmap(path, kind, "r+", offset=len(head), shape=(len(image.bands), height, width))
    for top, rows in strips:
        values = image.restored(rows, top, scale)
        out[:, top : top + len(rows)] = np.rint(values) if image.is_bytes else values
    out.flush()


def enhanced_header(image: FitsImage, scale: int) -> Any:
    """The file's header with what describes its layout taken out and its sky coordinates on the finer grid."""
    header = image.header.copy(strip=True)
    for key in ("BZERO", "BSCALE", "BLANK", "CHECKSUM", "DATASUM", "DATAMIN", "DATAMAX", "XTENSION", "EXTNAME"):
        header.remove(key, ignore_missing=True, remove_all=True)
    if scale != 1:
        rescale_wcs(header, scale)
    if not image.is_bytes:
        factor = image.share_of_flux(scale)
        if factor != 1:
            header.add_history(f"Values divided by {factor:g}: sums over the same sky area are kept")
    return header


def rescale_wcs(header: Any, scale: int) -> None:
    """Rewrite the world coordinates of a header for a grid that is `scale` times finer, in place.

    Pixel p of the old grid (its first is 1, its edge 0.5) lies at scale (p - 0.5) + 0.5 of the new one: reference
    pixels move so, steps (CD, or CDELT beside PC) are divided, and SIP coefficients of order n by scale**(n - 1).

    Raises
    ------
    Refused
        The distortions are in lookup tables, which this does not rewrite.
    """
    table = next((key for key in LOOKUP_DISTORTIONS if key in header), None)
    if table is not None:
        raise Refused("wrong-shape", f"distortions of its sky coordinates are in lookup tables ({table})")
    for version in ("", *string.ascii_uppercase):
        _rescale_axes(header, version, scale)
    for axis in (1, 2):
        if f"LTM{axis}_{axis}" in header or f"LTV{axis}" in header:
            header[f"LTM{axis}_{axis}"] = header.get(f"LTM{axis}_{axis}", 1.0) * scale
            header[f"LTV{axis}"] = scale * (header.get(f"LTV{axis}", 0.0) - 0.5) + 0.5
    for key in list(header):
        name, _, powers = key.partition("_")
        if name in ("A", "B", "AP", "BP") and powers[:1].isdigit():
            p, _, q = powers.partition("_")
            header[key] = header[key] * float(scale) ** (1 - int(p) - int(q))


def _rescale_axes(header: Any, version: str, scale: int) -> None:
    """Rescale reference pixels and steps of one version of the coordinates."""
    for axis in (1, 2):
        pixel = f"CRPIX{axis}{version}"
        if pixel in header:
            header[pixel] = scale * (header[pixel] - 0.5) + 0.5
        for step in (f"CDELT{axis}{version}", *(f"CD{world}_{axis}{version}" for world in range(1, 10))):
            if step in header:
                header[step] /= scale


def stretch_cards(stretch: Stretch, unit: str) -> dict[str, Any]:
    """Header cards that say how values became colours and came back."""
    if isinstance(stretch, LuptonStretch):
        return {
            "ENHSTR": ("lupton", "values were stretched so, enhanced, stretched back"),
            "ENHSOFT": (stretch.stretch, f"[{unit}] softening"[:47]),
            "ENHQ": (stretch.q, "contrast"),
            "ENHMIN": (stretch.minimum, "black: fainter values were set to it"),
            "ENHMAX": (stretch.minimum + stretch.white, "white: what is above was added again"),
        }
    return {
        "ENHSTR": ("linear", "values were stretched so, enhanced, stretched back"),
        "ENHMIN": (stretch.low, "black: fainter values were set to it"),
        "ENHMAX": (stretch.high, "white: what is above was added again"),
    }


def default_bands(channels: int) -> tuple[int, ...]:
    """Planes of a cube in the order of the network's bands: the reddest first for three, as in `gan.prepare`."""
    return (2, 1, 0) if channels == 3 else tuple(range(channels))
