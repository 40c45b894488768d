"""From the bytes or numbers of one image to 8-bit RGB of the sizes asked for, or the reason why not.

Everything that a header tells is checked before a pixel is decoded. Decoding is always at full size: a JPEG decoder's
own reduction would change what nearest-neighbour downsampling picks.
"""

from __future__ import annotations

import io
import warnings
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from gan.config import require
from gan.refusals import Refused

Image.MAX_IMAGE_PIXELS = None  # `DecodeSettings.max_pixels` is checked instead, before decoding
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07")
ARRAY_FILES = (b"\x93NUMPY", b"\x89HDF\r\n\x1a\n")
GZIP = b"\x1f\x8b"
FITS_START = b"SIMPLE  ="


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
            len(self.band_scale) == 3 and min(self.band_scale) > 0, "band_scale", list(self.band_scale), "three factors"
        )
        require(self.lupton_stretch > 0, "lupton_stretch", self.lupton_stretch, "a positive number")
        require(self.lupton_q > 0, "lupton_q", self.lupton_q, "a positive number")
        require(0 <= self.max_bad_pixels < 1, "max_bad_pixels", self.max_bad_pixels, "a share in [0, 1)")

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON-safe values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Decoded:
    """One image at the sizes asked for.

    Attributes
    ----------
    pixels : tuple of ndarray
        (size, size, 3) uint8 for each of `DecodeSettings.sizes`.
    width, height : int
        Of the original, px.
    bad_pixels : int
        Pixels of a cube that were replaced.
    """

    pixels: tuple[np.ndarray, ...]
    width: int
    height: int
    bad_pixels: int = 0


def decode(data: bytes | np.ndarray, settings: DecodeSettings) -> Decoded:
    """Decode the bytes of an image file, or take an array, and resample it.

    Parameters
    ----------
    data : bytes or ndarray
        Content of a JPEG, PNG, TIFF, BMP, WebP, GIF, PPM or FITS file; or (H, W, 3) uint8 or floats in [0, 1].
    settings : DecodeSettings

    Raises
    ------
    Refused
        With the reason, for anything that cannot be used.
    """
    bad = 0
    if isinstance(data, np.ndarray):
        image = Image.fromarray(_bytes_of_array(data, settings))
    elif is_fits(data):
        image, bad = cube_to_image(read_cube(data, settings), settings)
    else:
        image = _read_image(data, settings)
    width, height = image.size
    image = _square(image, settings)
    method = FILTERS[settings.filter]
    pixels = tuple(np.asarray(image.resize((size, size), method)) for size in settings.sizes)
    return Decoded(pixels, width, height, bad)


def _read_image(data: bytes, settings: DecodeSettings) -> Image.Image:
    if not data:
        raise Refused("empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except Exception as error:  # any error of a parser on bytes from outside is a refusal, never the end
        raise Refused("damaged", _words(error)) from None
    _check_size(*image.size, settings)
    if getattr(image, "n_frames", 1) > 1:
        raise Refused("several-frames", f"{image.n_frames} frames")
    _check_mode(image, settings)
    try:
        image.load()
        return _to_rgb(image)
    except Refused:
        raise
    except Exception as error:
        short = "truncated" in str(error) or isinstance(error, EOFError) or "unexpected end" in str(error)
        raise Refused("truncated" if short else "damaged", _words(error)) from None


def _unidentified(data: bytes) -> Refused:
    if data.startswith(ARCHIVES) or data[:2] == GZIP:
        return Refused("nested-archive")
    if data.startswith(ARRAY_FILES):
        return Refused("array-file")
    if data[:2] == b"\xff\xd8" or data[:8] == b"\x89PNG\r\n\x1a\n":
        return Refused("damaged", "starts as a JPEG or PNG, but its header cannot be read")
    return Refused("not-an-image")


def _check_size(width: int, height: int, settings: DecodeSettings) -> None:
    if width * height > settings.max_pixels:
        raise Refused("too-large", f"{width} x {height} px; accepted: up to {settings.max_pixels:,} pixels")
    if min(width, height) < max(settings.sizes):
        raise Refused("too-small", f"{width} x {height} px for images of {max(settings.sizes)} px")
    if width != height and not settings.crop:
        raise Refused("not-square", f"{width} x {height} px")


def _check_mode(image: Image.Image, settings: DecodeSettings) -> None:
    """Refuse from the header what has no 8-bit RGB meaning."""
    if image.mode in ("RGB", "RGBX", "P", "PA", "RGBA", "LA"):
        return
    if image.mode == "L" and settings.greyscale:
        return
    hint = " (--greyscale takes it as three equal bands)" if image.mode == "L" else ""
    raise Refused("wrong-mode", f"mode {image.mode}{hint}")


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of palettes and of images whose alpha channel is opaque everywhere."""
    if image.mode == "RGB":
        return image
    if image.mode in ("P", "PA", "RGBA", "LA"):
        image = image.convert("RGBA")
        low, _ = image.getchannel("A").getextrema()
        if low < 255:
            raise Refused("wrong-mode", "an alpha channel that is not opaque everywhere")
    return image.convert("RGB")


def _square(image: Image.Image, settings: DecodeSettings) -> Image.Image:
    width, height = image.size
    if width == height:
        return image
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _bytes_of_array(array: np.ndarray, settings: DecodeSettings) -> np.ndarray:
    """(H, W, 3) uint8 of an image given as numbers."""
    if array.ndim != 3 or array.shape[-1] != 3:
        raise Refused("wrong-shape", f"shape {array.shape}; accepted: (height, width, 3)")
    _check_size(array.shape[1], array.shape[0], settings)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind != "f":
        raise Refused("wrong-mode", f"numbers of type {array.dtype}; accepted: uint8, or floats in [0, 1]")
    low, high = float(np.min(array)), float(np.max(array))
    if not (low >= 0 and high <= 1):  # also when either is NaN
        raise Refused("wrong-values", f"floats from {low:.4g} to {high:.4g}; accepted: 0 to 1")
    return np.rint(array * 255).astype(np.uint8)


def is_fits(data: bytes) -> bool:
    """Whether these are the bytes of a FITS file, plain or gzipped."""
    if data[:2] != GZIP:
        return data[:9] == FITS_START
    try:
        return zlib.decompressobj(31).decompress(data[:4096], len(FITS_START)) == FITS_START
    except zlib.error:
        return False


def _gunzip(data: bytes, settings: DecodeSettings) -> bytes:
    limit = 24 * settings.max_pixels  # three bands of float64
    stream = zlib.decompressobj(31)
    try:
        plain = stream.decompress(data, limit)
    except zlib.error as error:
        raise Refused("damaged", _words(error)) from None
    if stream.unconsumed_tail:
        raise Refused("too-large", f"more than {limit:,} bytes when decompressed")
    return plain


def read_cube(data: bytes, settings: DecodeSettings) -> np.ndarray:
    """The first image cube of a FITS file, (bands, H, W) float, checked against its header; raises `Refused`."""
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            plain = _gunzip(data, settings) if data[:2] == GZIP else data
            with fits.open(io.BytesIO(plain), memmap=False, lazy_load_hdus=True) as hdus:
                for hdu in hdus:
                    if isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) and len(hdu.shape) > 0:
                        _check_cube_shape(hdu.shape, settings)
                        return np.asarray(hdu.data, np.float64)
        except Refused:
            raise
        except Exception as error:
            short = isinstance(error, EOFError) or "buffer is too small" in str(error) or "truncated" in str(error)
            raise Refused("truncated" if short else "damaged", _words(error)) from None
    raise Refused("wrong-shape", "a FITS file without an image")


def _check_cube_shape(shape: tuple[int, ...], settings: DecodeSettings) -> None:
    if len(shape) != 3 or shape[0] <= max(settings.bands):
        raise Refused(
            "wrong-shape", f"FITS image of shape {shape}; accepted: (bands, height, width) with the bands used"
        )
    _check_size(shape[2], shape[1], settings)
    if shape[0] > 64:
        raise Refused("too-large", f"FITS cube of {shape[0]} planes")


def cube_to_image(cube: np.ndarray, settings: DecodeSettings) -> tuple[Image.Image, int]:
    """RGB of a linear cube by Lupton et al. (2004), and the number of pixels that were replaced; raises `Refused`.

    Rows of a FITS image run from the bottom up; those of the result from the top down.
    """
    from astropy.visualization import make_lupton_rgb

    planes = np.array([cube[band] for band in settings.bands], np.float64)[:, ::-1]
    planes *= np.array(settings.band_scale)[:, None, None]
    bad = ~np.isfinite(planes)
    empty = planes == 0
    for plane in range(3):
        if empty[plane].mean() > settings.max_bad_pixels:
            bad[plane] |= empty[plane]
    share = float(bad.any(0).mean())
    if share > settings.max_bad_pixels:
        raise Refused("bad-pixels", f"{share:.1%} of the pixels have no data in a band")
    for plane in range(3):
        if bad[plane].any():
            planes[plane][bad[plane]] = np.median(planes[plane][~bad[plane]])
    rgb = make_lupton_rgb(
        *planes, minimum=settings.lupton_minimum, stretch=settings.lupton_stretch, Q=settings.lupton_q
    )
    return Image.fromarray(rgb), int(bad.any(0).sum())


def _words(error: Exception) -> str:
    """One short line of an exception."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
