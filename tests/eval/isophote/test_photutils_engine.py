"""The reference engine's processes: limits, deaths and order."""

import contextlib
import os
import time

import numpy as np
import pytest

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


@contextlib.contextmanager
def deadly(settings, perturbation):
    """In place of the engine's own: a crash at the image 0."""
    yield lambda task, at: os._exit(1) if task[0] == 0 else photutils_engine.fit_image(task[1], settings)


def test_an_image_whose_process_dies_is_an_error_and_the_next_is_measured(monkeypatch):
    monkeypatch.setattr(photutils_engine, "_opened", deadly)
    images = np.concatenate([galaxies(1), np.full((1, 32, 32, 1), 3.0)])
    first, second = photutils_engine.fit_many(images, settings=SETTINGS, jobs=1)
    assert (first.status, first.detail) == ("error", "the worker process died") and second.status == "invalid"


@contextlib.contextmanager
def never_opened(settings, perturbation):
    os._exit(1)
    yield


def test_processes_that_do_not_start_are_said_in_words(monkeypatch):
    monkeypatch.setattr(photutils_engine, "_opened", never_opened)
    with pytest.raises(RuntimeError, match="__main__"):
        photutils_engine.fit_many(galaxies(1), settings=SETTINGS, jobs=1)
