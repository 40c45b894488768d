"""Contents of files, and why they are refused."""

from __future__ import annotations

import io

import pytest
from astropy.io import fits

from gan.images.decode import decode
from gan.images.decode_settings import DecodeSettings
from gan.images.rejections import REASONS, Refused

SETTINGS = DecodeSettings(sizes=(16, 32))


def fits_bytes(data, **options):
    stream = io.BytesIO()
    fits.PrimaryHDU(data, **options).writeto(stream)
    return stream.getvalue()


def reason(data, settings=SETTINGS):
    with pytest.raises(Refused) as caught:
        decode(data, settings)
    assert caught.value.reason in REASONS and caught.value.detail
    return caught.value.reason
