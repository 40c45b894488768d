"""Images of every kind that is not a galaxy: each gets its row, none crashes or hangs the engine."""

import time

import numpy as np
import pytest

from eval.catalogue import FLOAT_COLUMNS, STATUSES
from eval.isophote.compiled_engine import Fitter, compile_once
from eval.measure import as_catalogue
from eval.settings import MeasurementSettings

SIZES = (16, 17, 24, 32, 48, 63, 64, 64, 64, 100, 128, 224, 512)
LONGEST = 5.0
"""Seconds that no image may take, on a machine that is doing other things as well."""


def blob(rng, size, brightness=200.0):
    y, x = np.mgrid[:size, :size]
    x0, y0 = rng.uniform(0, size, 2) if rng.random() < 0.3 else rng.normal(size / 2, size / 60, 2)
    angle, q, scale = rng.uniform(0, np.pi), rng.uniform(0.05, 1.0), size * rng.uniform(0.01, 0.4)
    u = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    v = -(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)
    return brightness * np.exp(-np.hypot(u, v / q) / scale)


def noise(rng, size):
    return rng.normal(rng.uniform(-50, 200), rng.choice([1e-12, 1e-3, 1.0, 60.0, 1e6]), (size, size))


def ramp(rng, size):
    y, x = np.mgrid[:size, :size]
    return rng.normal() * x + rng.normal() * y


def waves(rng, size):
    y, x = np.mgrid[:size, :size]
    return 100.0 * np.sin(x * rng.uniform(0, 3.2)) * np.cos(y * rng.uniform(0, 3.2))


def checkerboard(rng, size):
    y, x = np.mgrid[:size, :size]
    return 255.0 * ((x // rng.integers(1, 5) + y // rng.integers(1, 5)) % 2)


def point(rng, size):
    image = np.zeros((size, size))
    image[tuple(rng.integers(0, size, 2))] = rng.choice([1e-9, 1.0, 255.0, -255.0, 1e12])
    return image


def hole(rng, size):
    return 200.0 - blob(rng, size, 190.0)


def crowd(rng, size):
    return sum(blob(rng, size, rng.uniform(1, 255)) for _ in range(rng.integers(2, 6)))


def ring(rng, size):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return 200.0 * np.exp(-(((np.hypot(x, y) - size * rng.uniform(0, 0.5)) / (size * 0.05)) ** 2))


def disc(rng, size):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(x, y * rng.uniform(1, 9)) < size * rng.uniform(0, 0.6), 255.0, 0.0)


def broken(rng, size):
    image = blob(rng, size)
    image[rng.random((size, size)) < rng.choice([0.0005, 0.1, 1.0])] = rng.choice([np.nan, np.inf, -np.inf])
    return image


def extreme(rng, size):
    return blob(rng, size) * rng.choice([1e-300, 1e-40, 1e-30, 1e13, 1e30, 1e200])


def flat(rng, size):
    return np.full((size, size), rng.choice([0.0, 1.0, 255.0, -3.5, 1e-320]))


def half(rng, size):
    image = np.zeros((size, size))
    image[:, rng.integers(0, size) :] = rng.uniform(0, 255)
    return image + (noise(rng, size) if rng.random() < 0.5 else 0.0)


def noisy_blob(rng, size):
    return blob(rng, size) + rng.normal(0, rng.choice([0.1, 1.0, 10.0]), (size, size))


KINDS = (
    blob,
    noise,
    ramp,
    waves,
    checkerboard,
    point,
    hole,
    crowd,
    ring,
    disc,
    broken,
    extreme,
    flat,
    half,
    noisy_blob,
)


def image(seed):
    """One random image (H, H, C) of some kind, type, size and number of bands."""
    rng = np.random.default_rng(seed)
    size, bands = int(rng.choice(SIZES)), int(rng.choice([1, 2, 3, 3, 3, 4, 7]))
    if size > 200 and rng.random() < 0.8:
        size = 64
    draw = KINDS[seed % len(KINDS)]
    base = np.asarray(draw(rng, size), dtype=np.float64)
    with np.errstate(all="ignore"):
        stack = base[..., np.newaxis] * rng.uniform(0.5, 1.0, bands)
        kind = rng.choice(["uint8", "uint8", "float32", "float64", "int16", "float16"])
        if kind == "uint8":
            return np.clip(np.nan_to_num(stack), 0, 255).round().astype(np.uint8)
        if kind == "int16":
            return np.clip(np.nan_to_num(stack), -32768, 32767).astype(np.int16)
        return stack.astype(kind)


def check(seeds):
    compile_once()
    settings = [MeasurementSettings(), MeasurementSettings(outermost="converged")]
    fitters = [Fitter(each) for each in settings]
    statuses = dict.fromkeys(STATUSES, 0)
    slowest, which = 0.0, None
    fits = []
    for seed in seeds:
        began = time.process_time()
        fits.append(fitters[seed % 2].fit(image(seed)))
        took = time.process_time() - began
        if took > slowest:
            slowest, which = took, seed
    for outermost in range(2):
        some = [fit for seed, fit in zip(seeds, fits, strict=True) if seed % 2 == outermost]
        rows = as_catalogue(some, range(len(some)), settings=settings[outermost], engine="fast")
        assert rows["status"].isin(STATUSES).all()
        ok = rows["status"] == "ok"
        main = rows.loc[ok, ["ellipticity", "position_angle", "flux", "semi_major_axis"]]
        assert np.isfinite(main.to_numpy()).all()
        assert rows.loc[~ok, list(FLOAT_COLUMNS)].isna().all(axis=None)
        assert main["ellipticity"].between(0.0, 0.95).all()
        assert (main["position_angle"].gt(-90.0) & main["position_angle"].le(90.0)).all()
        assert main["semi_major_axis"].between(20.0, 1024.0).all()
        for status in STATUSES:
            statuses[status] += int((rows["status"] == status).sum())
    assert slowest < LONGEST, f"image({which}) took {slowest:.1f} s"
    return statuses


def test_images_of_every_kind_get_a_row():
    statuses = check(range(600))
    assert min(statuses["ok"], statuses["failed"], statuses["invalid"]) > 20, statuses


@pytest.mark.slow
def test_twenty_thousand_images_of_every_kind_get_a_row():
    statuses = check(range(1_000, 22_000))
    assert sum(statuses.values()) == 21_000
    print(statuses)
