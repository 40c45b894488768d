"""The stage: one catalogue whatever the place, blocks lost and found, folders resumed, nothing hangs."""

import pandas as pd
import pytest

from eval.catalogue import read_catalogue
from eval.distributed.stage import ArraySource, StageError, measure_source, worth_ray
from eval.measure import measure
from eval.settings import MeasurementSettings
from tests.eval.stage_sources import DrawnSource, galaxies


def test_blocks_add_up_to_what_one_call_measures():
    images = galaxies(23)
    result = measure_source(ArraySource(images), block_size=5)
    assert (result.place, result.done, result.count) == ("process", 5, 23)
    pd.testing.assert_frame_equal(result.catalogue(), measure(images))
    assert result.catalogue().attrs == measure(images).attrs


def test_the_rule_asks_for_enough_images_and_more_cpus_elsewhere():
    assert worth_ray(9000, engine="fast", here=2, free=16)
    assert not worth_ray(9000, engine="fast", here=2, free=2)
    assert not worth_ray(9000, engine="fast", here=16, free=2)
    assert not worth_ray(50, engine="fast", here=2, free=64)
    assert worth_ray(50, engine="photutils", here=2, free=64)
    # The first evaluation has worker processes to start.
    assert worth_ray(1000, engine="fast", here=2, free=16)
    assert not worth_ray(1000, engine="fast", here=2, free=16, first=True)


def test_without_a_running_ray_it_measures_here_or_says_what_is_missing():
    import ray

    if ray.is_initialized():
        pytest.skip("another test's Ray is running")
    assert measure_source(ArraySource(galaxies(2))).reason == "no Ray here"
    with pytest.raises(StageError, match=r"call ray\.init first"):
        measure_source(ArraySource(galaxies(2)), place="ray")


def test_an_interrupted_folder_goes_on_and_damaged_parts_are_done_again(tmp_path):
    calls = []
    whole = measure_source(DrawnSource(20), block_size=4).catalogue()
    with pytest.raises(OSError, match="the disk went away"):
        measure_source(DrawnSource(20, fails=13), block_size=4, out=tmp_path, place="process")
    parts = sorted(tmp_path.glob("part-*.parquet"))
    assert [part.name for part in parts] == [f"part-{k:09d}-{k + 4:09d}.parquet" for k in (0, 4, 8)]
    parts[1].write_bytes(parts[1].read_bytes()[:100])
    before = parts[0].stat().st_mtime_ns
    result = measure_source(DrawnSource(20), block_size=4, out=tmp_path, progress=lambda *call: calls.append(call))
    assert (result.done, result.reused) == (3, 2)
    assert calls == [(8, 20), (12, 20), (16, 20), (20, 20)]
    assert parts[0].stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(result.catalogue(), whole)
    assert result.catalogue().attrs == whole.attrs == read_catalogue(parts[0]).attrs
    again = measure_source(DrawnSource(20, fails=0), block_size=4, out=tmp_path)
    assert (again.done, again.reused, again.reason) == (0, 5, "nothing left to do")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"source": DrawnSource(9)}, "images = 8, now 9"),
        ({"block_size": 3}, "block_size = 4, now 3"),
        ({"settings": MeasurementSettings(sma0=10.0)}, "settings = "),
    ],
)
def test_a_folder_of_another_stage_is_refused(changed, name, tmp_path):
    measure_source(DrawnSource(8), block_size=4, out=tmp_path)
    options = {"source": DrawnSource(8), "block_size": 4, **changed}
    with pytest.raises(StageError, match=name):
        measure_source(options.pop("source"), out=tmp_path, **options)


def test_ids_of_a_source_name_the_rows():
    class Named(DrawnSource):
        def ids(self, start, stop):
            return [f"galaxy {index}" for index in range(start, stop)]

    assert measure_source(Named(5), block_size=2).catalogue()["id"].tolist() == [f"galaxy {k}" for k in range(5)]


@pytest.mark.parametrize("options", [{"block_size": 0}, {"cpus": 0}, {"place": "cloud"}, {"source": DrawnSource(0)}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="does not work"):
        measure_source(**{"source": DrawnSource(3), **options})
