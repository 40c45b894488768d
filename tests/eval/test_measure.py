"""What a measured galaxy must come out as: known geometry, one row per image, clear refusals."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.errors import FieldError
from eval.catalogue import COLUMNS, FLOAT_COLUMNS, PROPERTIES
from eval.measure import cpus, measure
from eval.settings import MeasurementSettings

ROOT = Path(__file__).resolve().parents[2]


def galaxy(
    ellipticity, angle, *, size=64, scale=None, index=1.0, peak=200.0, sky=10.0, noise=0.5, shift=(0.0, 0.0), seed=0
):
    """A Sersic galaxy (size, size, 3) float64; `angle` in degrees from the x axis, counter-clockwise as seen."""
    fine = (np.arange(4 * size) + 0.5) / 4 - size / 2
    x, y = np.meshgrid(fine, -fine)
    turn = np.deg2rad(angle)
    u, v = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    radius = np.hypot(u, v / (1.0 - ellipticity)) / (scale or size / 10)
    image = 200.0 * np.exp(-(radius ** (1.0 / index)))
    image = image.reshape(size, 4, size, 4).mean(axis=(1, 3)) + sky
    image = image + np.random.default_rng(seed).normal(0.0, noise, image.shape)
    return np.repeat(image[..., np.newaxis], 3, axis=-1)


def angle_between(first, second):
    return abs((first - second + 90.0) % 180.0 - 90.0)


@pytest.mark.parametrize(("index", "scale"), [(1.0, 6.4), (2.0, 1.2)])
def test_shapes_of_drawn_galaxies_are_recovered(index, scale):
    shapes = [(e, angle) for e in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7) for angle in (-60.0, 0.0, 20.0, 45.0, 90.0)]
    images = np.stack([galaxy(e, pa, index=index, scale=scale, seed=k) for k, (e, pa) in enumerate(shapes)])
    rows = measure(images)
    wanted = np.array(shapes)[:, 0]
    ellipticity = (rows["converged_ellipticity"] - wanted).abs()
    angle = np.array(
        [angle_between(row["converged_position_angle"], pa) for row, (_, pa) in zip(rows.iloc, shapes, strict=True)]
    )
    # The method does not converge on every galaxy, drawn ones included; where it does, it is right.
    assert (rows["status"] == "ok").mean() > 0.6 and rows["converged_ellipticity"].notna().mean() > 0.6
    assert ellipticity.median() < 0.02 and np.nanmedian(angle) < 2.0
    assert (ellipticity.dropna() < 0.08).mean() > 0.9
    assert (angle[(wanted > 0.25) & ~np.isnan(angle)] < 6.0).mean() > 0.9


def test_angle_is_counter_clockwise_with_y_up():
    rising = galaxy(0.5, 30.0)  # its right end is higher, so at smaller row numbers
    grey = rising[..., 0]
    assert grey[24, 42] > grey[40, 42]
    assert measure(rising[np.newaxis])["position_angle"][0] == pytest.approx(30.0, abs=3.0)


@pytest.mark.parametrize(
    ("moved", "angle_moved"),
    [
        (lambda images: np.rot90(images, axes=(1, 2)), lambda angle: angle + 90.0),
        (lambda images: images[:, :, ::-1], lambda angle: -angle),
        (lambda images: images[:, ::-1], lambda angle: -angle),
    ],
    ids=["quarter turn", "left-right", "up-down"],
)
def test_turning_or_flipping_the_image_moves_the_angle_alone(moved, angle_moved):
    shapes = [(0.3 + 0.04 * k, 14.0 * k - 80.0) for k in range(10)]
    base = np.stack([galaxy(e, pa, seed=k) for k, (e, pa) in enumerate(shapes)])
    first, second = measure(base), measure(np.ascontiguousarray(moved(base)))
    both = (first["status"] == "ok") & (second["status"] == "ok")
    assert both.sum() >= 6
    first, second = first[both], second[both]
    # Where the walk along the ellipse begins is not symmetric, so values agree as well as samples of them do.
    assert (first["converged_ellipticity"] - second["converged_ellipticity"]).abs().median() < 0.01
    angles = angle_moved(first["converged_position_angle"])
    off = [angle_between(a, b) for a, b in zip(second["converged_position_angle"], angles, strict=True)]
    assert np.nanmedian(off) < 1.0 and np.nanmax(off) < 8.0


def test_a_larger_galaxy_is_larger_and_a_brighter_one_is_brighter():
    sizes = measure(np.stack([galaxy(0.3, 30.0, scale=scale) for scale in (2.5, 5.0, 10.0)]))
    assert (np.diff(sizes["semi_major_axis"]) > 0).all() and (np.diff(sizes["flux"]) > 0).all()
    bright = measure(np.stack([galaxy(0.3, 30.0), 3.0 * galaxy(0.3, 30.0)]))
    assert bright["flux"][1] == pytest.approx(3.0 * bright["flux"][0], rel=1e-6)
    assert bright["ellipticity"][1] == pytest.approx(bright["ellipticity"][0], abs=1e-5)


def test_flux_is_the_sum_over_the_frame_inside_the_ellipse():
    image = galaxy(0.4, 0.0, noise=0.2)
    row = measure(image[np.newaxis]).iloc[0]
    side = 512 // 64
    y, x = np.mgrid[:512, :512] - 255.5
    frame = np.kron(image[..., 0], np.ones((side, side)))
    inside = np.hypot(x, y / (1.0 - row["ellipticity"])) <= row["semi_major_axis"]
    assert row["flux"] == pytest.approx(frame[inside].sum(), rel=0.01)


def test_sizes_lie_on_the_lattice_of_the_settings():
    images = np.stack([galaxy(0.3, 30.0, scale=scale) for scale in (3.0, 5.0, 8.0)])
    for settings in (MeasurementSettings(), MeasurementSettings(sma0=15.0, step=0.2)):
        steps = np.log(measure(images, settings=settings)["semi_major_axis"] / settings.sma0) / np.log1p(settings.step)
        assert steps.to_numpy() == pytest.approx(np.round(steps), abs=1e-6)
        assert (steps >= 1).all()


def test_colors_are_ratios_of_band_fluxes():
    image = galaxy(0.3, 30.0, sky=0.0, noise=0.1) * np.array([3.0, 2.0, 0.5])
    row = measure(image[np.newaxis]).iloc[0]
    assert (row["color_rg"], row["color_gb"]) == (pytest.approx(1.5, rel=1e-6), pytest.approx(4.0, rel=1e-6))
    grey = measure(image[np.newaxis, ..., :1])
    assert grey["status"][0] == "ok" and grey[["color_rg", "color_gb"]].isna().all(axis=None)


def test_both_definitions_are_reported_and_either_can_be_the_main_one():
    images = np.stack([galaxy(0.3, pa, seed=pa, noise=3.0) for pa in range(0, 80, 10)])
    last, converged = measure(images), measure(images, settings=MeasurementSettings(outermost="converged"))
    both = (last["status"] == "ok") & last["converged_flux"].notna()
    assert both.sum() >= 4
    for name in PROPERTIES:
        assert (last.loc[both, f"converged_{name}"] == converged.loc[both, name]).all()
    assert (converged.loc[both, "stop_code"] == 0).all()
    assert (last.loc[both, "converged_semi_major_axis"] <= last.loc[both, "semi_major_axis"]).all()
    assert last.attrs["measurement"]["outermost"] == "last"


@pytest.mark.parametrize("size", [16, 32, 100, 128, 512, 600])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16])
def test_sizes_and_pixel_types(size, dtype):
    image = np.clip(galaxy(0.4, 30.0, size=size), 0, 255).astype(dtype)
    row = measure(image[np.newaxis]).iloc[0]
    assert row["status"] == "ok"
    assert row["ellipticity"] == pytest.approx(0.4, abs=0.1)
    assert angle_between(row["position_angle"], 30.0) < 6.0


def test_every_image_has_a_row_with_a_status():
    good = galaxy(0.4, 30.0)
    holed, spiked = good.copy(), good.copy()
    holed[3, 5, 1], spiked[3, 5, 1] = np.nan, np.inf
    star = np.zeros_like(good)
    star[5, 50] = 255.0
    images = np.stack([good, holed, spiked, np.zeros_like(good), np.full_like(good, 7.0), star, good * 1e16])
    rows = measure(images, ids=[f"image {k}" for k in range(7)])
    assert tuple(rows.columns) == COLUMNS
    assert rows["id"].tolist() == [f"image {k}" for k in range(7)]
    assert rows["status"].tolist()[:5] == ["ok", "invalid", "invalid", "invalid", "invalid"]
    assert rows["status"][5] in ("failed", "error") and rows["status"][6] == "invalid"
    assert rows.loc[rows["status"] != "ok", list(FLOAT_COLUMNS)].isna().all(axis=None)


def test_no_images_give_an_empty_catalogue():
    for engine in ("fast", "photutils"):
        rows = measure(np.zeros((0, 64, 64, 3), np.uint8), engine=engine)
        assert len(rows) == 0 and tuple(rows.columns) == COLUMNS and rows["flux"].dtype == np.float64


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((64, 64)), r"shape \(64, 64\)"),
        (np.zeros((64, 64, 3)), r"shape \(64, 64, 3"),
        (np.zeros((2, 64, 32, 3)), "square"),
        (np.zeros((2, 8, 8, 3)), "16 to 4096"),
        (np.zeros((2, 64, 64, 0)), "shape"),
        (np.zeros((2, 64, 64, 3), complex), "complex128"),
        ([np.zeros((64, 64)), np.zeros((32, 32))], "unequal"),
        (np.zeros(0), "shape"),
        ("galaxies", "type"),
    ],
)
def test_what_is_not_a_stack_of_images_is_refused_in_one_sentence(images, told):
    with pytest.raises(ValueError, match=told) as caught:
        measure(images)
    assert "\n" not in str(caught.value) and "expected" in str(caught.value)


@pytest.mark.parametrize("options", [{"engine": "slow"}, {"jobs": 0}, {"ids": [1, 2, 3]}, {"time_limit": 0.0}])
def test_wrong_options_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        measure(np.zeros((2, 64, 64, 3), np.uint8), **options)


@pytest.mark.parametrize(
    "setting", [{"sma0": 0.0}, {"step": 3.0}, {"outermost": "first"}, {"frame_size": 10.5}, {"max_iterations": 5}]
)
def test_wrong_settings_are_named(setting):
    with pytest.raises(FieldError, match=next(iter(setting))):
        MeasurementSettings(**setting)


def test_settings_keys_tell_settings_apart():
    keys = {MeasurementSettings().key(), MeasurementSettings(sma0=10.0).key(), MeasurementSettings(step=0.2).key()}
    assert len(keys) == 3 and MeasurementSettings(sma0=20.0).key() in keys


def test_results_do_not_depend_on_threads_and_progress_counts():
    images = np.stack([galaxy(0.1 + 0.02 * k, 7.0 * k, seed=k) for k in range(24)])
    seen = []
    many = measure(images, jobs=4, progress=lambda done, total: seen.append((done, total)))
    assert many.equals(measure(images, jobs=1))
    assert seen == [(k, 24) for k in range(1, 25)]


def test_cpus_follow_what_the_process_was_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cpus() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    assert cpus() <= (os.cpu_count() or 1)


@pytest.mark.slow
def test_processes_that_start_together_compile_once_and_measure_alike(tmp_path):
    code = (
        "import hashlib, numpy as np\n"
        "from eval.isophote.fit import fit_frame\n"
        "from eval.measure import measure\n"
        "y, x = np.mgrid[:16, :16] - 7.5\n"
        "rng = np.random.default_rng(0)\n"
        "discs = 15 + 180 * np.exp(-np.hypot(y, x / rng.uniform(0.4, 1, (40, 1, 1))) / 2)[..., np.newaxis]\n"
        "catalogue = measure(discs + rng.normal(0, 2, discs.shape))\n"
        "numbers = catalogue.select_dtypes('number').to_numpy()\n"
        "misses = sum(fit_frame.stats.cache_misses.values())\n"
        "print(misses, np.isfinite(numbers[:, 0]).sum(), hashlib.sha256(numbers.tobytes()).hexdigest())\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    first, *others = [process.communicate(timeout=300)[0].split() for process in started]
    assert others == [first, first]
    assert first[0] == "0"  # a child compiled, all read: a process that compiles rounds differently
    assert int(first[1]) > 20
    assert len(list(tmp_path.rglob("*fit_frame*.1.nbc"))) == 1
