"""The first image of a FITS file, from a path or from bytes, with every fault of the file as one error."""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from common.errors import in_words

if TYPE_CHECKING:
    from astropy.io.fits import Header

GZIP = b"\x1f\x8b"
_START = b"SIMPLE  ="


class FitsError(ValueError):
    """A FITS file holds no image that can be read; the message is one line.

    Attributes
    ----------
    reason : {"truncated", "damaged", "too-large", "no-image"}
        What is wrong with it.
    """

    def __init__(self, reason: Literal["truncated", "damaged", "too-large", "no-image"], message: str):
        super().__init__(message)
        self.reason = reason


def is_fits(data: bytes) -> bool:
    """Return whether bytes are the beginning of a FITS file, plain or compressed with gzip.

    Parameters
    ----------
    data : bytes
        At least the first 9 of a plain file; more are needed of a compressed one.
    """
    if data[:2] != GZIP:
        return data.startswith(_START)
    try:
        return zlib.decompressobj(31).decompress(data[:4096], len(_START)) == _START
    except zlib.error:
        return False


class StoredImage:
    """An image in an open FITS file; made by `open_image`.

    Attributes
    ----------
    shape : tuple of int
        As numpy counts: the last axis is the file's first. Known before a pixel is read.
    """

    def __init__(self, hdu: Any):
        self._hdu = hdu
        self.shape: tuple[int, ...] = tuple(hdu.shape)

    @property
    def header(self) -> Header:
        """A copy of the header."""
        return self._hdu.header.copy()

    def read(self, dtype: DTypeLike) -> np.ndarray:
        """Return all pixels, scaled by BSCALE and BZERO, as an array of `dtype` in the machine's byte order.

        Rows are in the order of the file, from the bottom up.

        Raises
        ------
        FitsError
            If the file ends early or its pixels cannot be decoded.
        """
        with _in_words():
            return np.array(self._hdu.data, np.dtype(dtype))

    def mapped(self) -> np.ndarray:
        """Return all pixels, scaled, in the type and byte order of the file: a memory map where the file allows one.

        Raises
        ------
        FitsError
            As `read`.
        """
        with _in_words():
            data: np.ndarray = self._hdu.data
            return data


@contextlib.contextmanager
def open_image(source: str | os.PathLike[str] | bytes, *, max_bytes: int | None = None) -> Iterator[StoredImage]:
    """Open the first image of two or more axes in a FITS file: in the primary HDU or an extension, compressed or not.

    Parameters
    ----------
    source : path-like or bytes
        A file, plain or compressed as astropy knows it; or the content of one, plain or compressed with gzip.
    max_bytes : int, optional
        Most bytes that compressed content may have when it is decompressed.

    Raises
    ------
    FitsError
        If the file is damaged, ends early, is too large or holds no image.
    """
    from astropy.io import fits

    with contextlib.ExitStack() as stack:
        with _in_words():
            stream = io.BytesIO(_plain(source, max_bytes)) if isinstance(source, bytes) else source
            hdus = stack.enter_context(fits.open(stream, lazy_load_hdus=True))
            kinds = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)
            found = next((hdu for hdu in hdus if isinstance(hdu, kinds) and len(hdu.shape) >= 2), None)
        if found is None:
            raise FitsError("no-image", "a FITS file without an image")
        yield StoredImage(found)


def _plain(data: bytes, limit: int | None) -> bytes:
    if data[:2] != GZIP:
        return data
    stream = zlib.decompressobj(31)
    plain = stream.decompress(data, limit or 0)
    if stream.unconsumed_tail:
        raise FitsError("too-large", f"more than {limit:,} bytes when decompressed")
    return plain


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except FitsError:
        raise
    except Exception as error:  # noqa: BLE001 - astropy raises errors of many kinds for damaged files
        words = in_words(error)
        short = "buffer" in words or "truncated" in words or isinstance(error, EOFError)
        raise FitsError("truncated" if short else "damaged", words) from None
