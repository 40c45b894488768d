"""Settings that cannot work are named."""

import pytest

from common.errors import FieldError
from gan.images.decode_settings import DecodeSettings


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"sizes": ()}, "sizes"),
        ({"sizes": (64, 64)}, "sizes"),
        ({"sizes": (4,)}, "sizes"),
        ({"filter": "sinc"}, "filter"),
        ({"bands": (0, 1)}, "bands"),
        ({"lupton_stretch": 0.0}, "lupton_stretch"),
        ({"lupton_q": float("inf")}, "lupton_q"),
        ({"lupton_minimum": float("nan")}, "lupton_minimum"),
        ({"band_scale": (1.0, float("inf"), 1.0)}, "band_scale"),
        ({"lupton_q": -1.0}, "lupton_q"),
        ({"max_bad_pixels": 1.0}, "max_bad_pixels"),
        ({"max_pixels": 100}, "max_pixels"),
        ({"band_scale": (1.0, 0.0, 1.0)}, "band_scale"),
    ],
)
def test_wrong_settings_are_named(wrong, name):
    with pytest.raises(FieldError) as caught:
        DecodeSettings(**wrong)
    assert caught.value.field == name
