"""Blocks of a stage by Ray Data, in a real Ray."""

import os
import sys

import pandas as pd
import pytest

from eval.distributed.stage import ArraySource, StageError, measure_source
from eval.measure import measure
from eval.settings import MeasurementSettings
from tests.eval.stage_sources import DrawnSource, galaxies


@pytest.fixture(scope="session")
def local_ray():
    """A Ray of two logical CPUs in this machine."""
    ray = pytest.importorskip("ray")
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0")
    ray.init(address="local", include_dashboard=False, num_cpus=2, log_to_driver=False)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield ray
    ray.shutdown()


@pytest.mark.ray
def test_ray_data_gives_the_same_catalogue_and_a_killed_worker_loses_its_block_only(local_ray, tmp_path):
    here = measure_source(DrawnSource(40), block_size=5, place="process").catalogue()
    calls, once = [], tmp_path / "killed"
    source = DrawnSource(40, kills=17, once=once)
    result = measure_source(
        source, block_size=5, out=tmp_path / "out", place="ray", progress=lambda *call: calls.append(call)
    )
    assert once.exists()  # a worker did die
    assert (result.place, result.done) == ("ray", 8)
    assert sorted(calls) == [(done, 40) for done in range(5, 41, 5)]
    pd.testing.assert_frame_equal(result.catalogue(), here)

    # One machine: its own process is as fast, so "auto" does not use Ray; and a folder is resumed from either.
    assert measure_source(ArraySource(galaxies(4))).place == "process"
    (tmp_path / "out" / "part-000000005-000000010.parquet").unlink()
    again = measure_source(source, block_size=5, out=tmp_path / "out", place="ray")
    assert (again.done, again.reused) == (1, 7)
    pd.testing.assert_frame_equal(again.catalogue(), here)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data_ends_with_a_reason(local_ray, tmp_path):
    with pytest.raises(StageError, match="images 12 to 15 could not be measured: OSError: the disk went away"):
        measure_source(DrawnSource(20, fails=12), block_size=4, place="ray", out=tmp_path)
    assert measure_source(DrawnSource(20), block_size=4, place="ray", out=tmp_path).done <= 5
    # A block that kills every worker is given up.
    with pytest.raises(StageError, match=r"no block was finished in 15 s.* kills every worker"):
        measure_source(DrawnSource(8, kills=5), block_size=4, place="ray", stall_timeout=15)
    # The cluster is as good as before.
    assert measure_source(DrawnSource(8), block_size=4, place="ray").place == "ray"


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data_does_not_wait_for_cpus_that_are_all_taken(local_ray, monkeypatch):
    @local_ray.remote(num_cpus=2)
    class Hog:
        def ready(self):
            return True

    hog = Hog.remote()
    local_ray.get(hog.ready.remote())
    with pytest.raises(StageError, match="none of the cluster's 2 CPUs is free"):
        measure_source(ArraySource(galaxies(4)), place="ray")
    # One CPU here and two there would be worth it, were they free.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = MeasurementSettings(frame_size=64, sma0=6.0)
    result = measure_source(ArraySource(galaxies(2500)), settings=settings)
    assert (result.place, result.reason) == ("process", "no CPU of the cluster is free")
    local_ray.kill(hog)


@pytest.mark.ray
@pytest.mark.slow
def test_an_array_in_memory_crosses_the_object_store_once(local_ray):
    images = galaxies(60, 3)
    result = measure_source(ArraySource(images), block_size=7, place="ray")
    pd.testing.assert_frame_equal(result.catalogue(), measure(images))
