"""Images of several sizes: the rows of one entry, and what the manifest says of them."""

import numpy as np
import pytest

from gan.images.decode_settings import DecodeSettings
from gan.images.rejections import Refused
from gan.images.sources import Entry
from gan.preparation.makers import Maker
from tests.gan.preparing import jpeg

MAKER = Maker(DecodeSettings(sizes=(16, 8)))
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)


def test_an_entry_becomes_one_row_of_every_size():
    made = MAKER.make(jpeg(IMAGE, "PNG"), Entry("a.png", ""))
    assert list(MAKER.layout.items()) == [("8", 8), ("16", 16)]
    assert [pixels.shape for pixels in made.pixels] == [(8, 8, 3), (16, 16, 3)] and (made.width, made.height) == (
        20,
        20,
    )


def test_what_cannot_be_decoded_is_refused():
    with pytest.raises(Refused, match="not-an-image"):
        MAKER.make(b"no image", Entry("a.png", ""))


def test_the_manifest_says_how_rows_were_made():
    described = MAKER.describe({"8": np.zeros((2, 8, 8, 3), np.uint8)}, {})
    assert (described["format"], described["count"]) == ("galaxy-set", 2)
    assert MAKER.transform()["sizes"] == [8, 16]
