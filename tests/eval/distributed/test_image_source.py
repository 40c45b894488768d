"""Images by number."""

import numpy as np

from eval.distributed.stage import ArraySource, ImageSource
from tests.eval.stage_sources import galaxies


def test_an_array_source_sends_the_place_of_a_file_and_not_its_pixels(tmp_path):
    import pickle

    images = galaxies(300)
    np.save(tmp_path / "a.npy", images)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert isinstance(ArraySource(mapped), ImageSource)
    for source in (ArraySource(mapped), ArraySource(tmp_path / "a.npy")):
        content = pickle.dumps(source)
        assert len(content) < 1000
        np.testing.assert_array_equal(pickle.loads(content).images(7, 9), images[7:9])
    # A part of a file is not the file: sent by value.
    for part in (mapped[10:], mapped[::-1], mapped[:, ::-1]):
        copy = pickle.loads(pickle.dumps(ArraySource(part)))
        np.testing.assert_array_equal(copy.images(0, 2), part[:2])
    assert ArraySource(images).key == ArraySource(images.copy()).key != ArraySource(images[1:]).key
