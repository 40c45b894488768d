"""The reference engine's processes: limits, deaths and order."""

import threading
import time

import numpy as np

from eval.isophote import photutils_engine
from eval.measure import measure
from eval.settings import MeasurementSettings

SETTINGS = MeasurementSettings()


def galaxies(count):
    y, x = np.mgrid[:32, :32] - 15.5
    scales = np.linspace(2.0, 4.0, count)
    return np.stack([30 + 200 * np.exp(-np.hypot(x, y / 0.7) / scale) for scale in scales])[..., np.newaxis]


def test_rows_keep_their_order_and_statuses():
    images = galaxies(3)
    images[1] = 5.0
    seen = []
    rows = measure(images, engine="photutils", jobs=2, progress=lambda done, total: seen.append((done, total)))
    assert rows["status"].tolist() == ["ok", "invalid", "ok"]
    alone = photutils_engine.fit_image(images[2], SETTINGS)
    assert rows["flux"][2] == alone.last.flux
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert rows.attrs["measurement"]["engine"] == "photutils"


def test_an_image_that_takes_too_long_is_a_row_and_the_next_is_measured():
    images = np.concatenate([galaxies(1), np.full((1, 32, 32, 1), 3.0)])
    began = time.monotonic()
    rows = measure(images, engine="photutils", jobs=1, time_limit=0.02)
    assert rows["status"].tolist() == ["timeout", "invalid"]
    assert time.monotonic() - began < 100


def test_an_image_whose_process_dies_is_an_error_and_the_next_is_measured():
    worker = photutils_engine._Worker(SETTINGS, 0.0)
    try:
        killer = threading.Timer(0.2, worker._process.kill)
        killer.start()
        fit = worker.fit(0, galaxies(1)[0], 60.0)
        assert (fit.status, fit.detail) == ("error", "the worker process died")
        assert worker.fit(1, np.full((32, 32, 1), 3.0), 60.0).status == "invalid"
    finally:
        worker.kill()
