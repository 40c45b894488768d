"""A folder of finished blocks."""

from __future__ import annotations

import pytest

from eval.distributed.blocks import BlockJob, StageError
from eval.distributed.image_source import ArraySource
from eval.distributed.part_files import PartStore
from eval.settings import MeasurementSettings
from gan.datasets.synthetic import draw

SETTINGS = MeasurementSettings()


@pytest.fixture(scope="module")
def source():
    return ArraySource(draw(6, size=32, seed=0)[0])


def test_a_block_is_there_when_its_file_has_all_of_its_rows(source, tmp_path):
    store = PartStore(tmp_path, source, SETTINGS, "fast", 3)
    content = BlockJob(settings=SETTINGS, engine="fast").run(source, (0, 3), 1)
    assert not store.has((0, 3))
    store.keep((0, 3), content)
    store.keep((3, 5), content)  # three rows for two images
    assert store.has((0, 3)) and not store.has((3, 5))
    store.path((0, 3)).write_bytes(content[:50])
    assert not store.has((0, 3))


def test_a_damaged_description_is_said(source, tmp_path):
    PartStore(tmp_path, source, SETTINGS, "fast", 3)
    (tmp_path / "stage.json").write_text("{")
    with pytest.raises(StageError, match="damaged"):
        PartStore(tmp_path, source, SETTINGS, "fast", 3)
    with pytest.raises(StageError, match="cannot be used"):
        PartStore(tmp_path / "stage.json" / "deep", source, SETTINGS, "fast", 3)
