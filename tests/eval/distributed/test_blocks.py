"""A block of a stage: images in, a catalogue out."""

from __future__ import annotations

import pandas as pd

from eval.distributed.blocks import BlockJob, decoded
from eval.distributed.image_source import ArraySource
from eval.measure import measure
from eval.settings import MeasurementSettings
from gan.datasets.synthetic import draw


def test_a_block_is_what_measuring_its_images_gives():
    images, _ = draw(6, size=32, seed=0)
    job = BlockJob(settings=MeasurementSettings(), engine="fast")
    found = decoded(job.run(ArraySource(images), (2, 5), 1))
    pd.testing.assert_frame_equal(found, measure(images[2:5], ids=[2, 3, 4]), check_dtype=False)
