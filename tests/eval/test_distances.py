"""Closed forms and published values of every distance, and what each of them sees and does not."""

import json
import math
import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eval.catalogue import PROPERTIES
from eval.distances import (
    compare,
    ks_distance,
    kuiper_distance,
)


def catalogue(n: int, seed: int = 0, *, failed: float = 0.08, colors: bool = True) -> pd.DataFrame:
    """A catalogue like a real one: skewed ellipticities, sizes on the lattice, flux that follows size."""
    rng = np.random.default_rng(seed)
    size = 20 * 1.1 ** rng.binomial(30, 0.6, n)
    table = pd.DataFrame(
        {
            "ellipticity": rng.beta(2, 4, n),
            "position_angle": rng.uniform(-90, 90, n),
            "flux": size**2 * rng.lognormal(3, 0.5, n),
            "semi_major_axis": size,
        }
    )
    if colors:
        table["color_rg"], table["color_gb"] = rng.normal(1.2, 0.1, n), rng.normal(1.3, 0.1, n)
    misses = rng.random(n) < failed
    table.loc[misses] = np.nan
    table.insert(0, "status", np.where(misses, "failed", "ok"))
    return table


def with_values(table: pd.DataFrame, **columns) -> pd.DataFrame:
    return table.assign(**columns)


def test_compare_agrees_with_its_parts():
    real, generated = catalogue(700, 1), catalogue(900, 2, failed=0.2)
    result = compare(real, generated)
    for name in PROPERTIES:
        fits = [table[name].dropna() for table in (real, generated)]
        assert result.ks[name] == pytest.approx(ks_distance(real[name], generated[name]))
        assert result.ks_dropped[name] == pytest.approx(stats.ks_2samp(*fits).statistic)
        if name != "position_angle":
            expected = stats.wasserstein_distance(*fits) / fits[0].std(ddof=0)
            assert result.wasserstein[name] == pytest.approx(expected, rel=1e-5)
    assert result.ks_mean == pytest.approx(np.mean(list(result.ks.values())))
    assert result.ks_max == max(result.ks.values())
    assert result.failed == {"real": real["flux"].isna().mean(), "generated": generated["flux"].isna().mean()}
    assert (result.n_real, result.n_generated) == (700, 900)
    elongated = [table.query("ellipticity > 0.1")["position_angle"] for table in (real, generated)]
    assert result.kuiper["position_angle_elongated"] == pytest.approx(kuiper_distance(*elongated))


def test_failures_cannot_be_hidden():
    """Dropping the hard galaxies leaves the paper's figure alone and costs the objective their whole share."""
    real = catalogue(4000, 1, failed=0)
    generated = real.copy()
    generated.loc[generated.index[:1600], list(PROPERTIES)] = np.nan
    result = compare(real, generated)
    assert max(result.ks_dropped.values()) < 0.05
    assert min(result.ks.values()) >= 0.4 - 1e-12
    assert not result.rankable and compare(real, real).rankable


def test_a_status_other_than_ok_is_a_failure_whatever_the_numbers_say():
    real = catalogue(200, 1, failed=0)
    timed_out = with_values(real, status=np.where(np.arange(200) < 50, "timeout", "ok"))
    assert compare(real, timed_out).failed["generated"] == 0.25


def test_floors_are_what_real_against_real_gives():
    """The analytic floor, the floor by split and repeated real-against-real samples agree."""
    n, m = 1500, 800
    pairs = [compare(catalogue(n, 2 * k), catalogue(m, 2 * k + 1), splits=4) for k in range(40)]
    observed = np.mean([pair.ks_mean for pair in pairs])
    assert pairs[0].floor == pytest.approx(0.869 * math.sqrt(1 / n + 1 / m), rel=1e-3)
    assert pairs[0].floor_95 == pytest.approx(1.358 * math.sqrt(1 / n + 1 / m), rel=1e-3)
    # A lattice of sizes and an atom of failures make real floors a little lower than the continuous one.
    assert 0.85 * pairs[0].floor < observed < 1.03 * pairs[0].floor
    assert np.mean([pair.floor_split for pair in pairs]) == pytest.approx(observed, rel=0.1)
    assert np.mean([pair.energy_floor for pair in pairs]) == pytest.approx(
        np.mean([pair.energy for pair in pairs]), rel=0.1
    )
    for name in ("kuiper/position_angle", "wasserstein/flux", "wasserstein/position_angle", "ks_dropped/ellipticity"):
        seen = np.mean([pair.metrics()[name] for pair in pairs])
        assert np.mean([pair.floors[name] for pair in pairs]) == pytest.approx(seen, rel=0.15), name


def test_floor_by_split_needs_enough_real_galaxies():
    result = compare(catalogue(30), catalogue(30, 1))
    assert result.floor_split is None and "ks_floor_split" not in result.metrics()
    assert result.floor > 0


def test_fluxes_shuffled_against_the_rest_leave_every_ks_at_zero_and_move_the_energy_distance():
    real = catalogue(5000, 1)
    fits = real["flux"].notna()
    flux = real["flux"].copy()
    flux[fits] = np.random.default_rng(0).permutation(flux[fits])
    result = compare(real, with_values(real, flux=flux))
    assert result.ks_max == 0
    assert result.energy > 1.4 * result.energy_floor_95


def test_kuiper_sees_clumped_angles_better_than_ks():
    """Angles that avoid 0 and 90 deg, as generators trained on square pixels draw them."""
    rng = np.random.default_rng(8)
    n, trials = 500, 60
    seen = {"ks": 0, "kuiper": 0}
    for _ in range(trials):
        isotropic = rng.uniform(-90, 90, n)
        angles = rng.uniform(-90, 90, 2 * n)
        kept = angles[rng.random(2 * n) < 0.5 * (1 - 0.4 * np.cos(np.deg2rad(2 * angles)))][:n]
        scale = math.sqrt(len(kept) * n / (len(kept) + n))
        seen["ks"] += ks_distance(isotropic, kept) * scale > 1.358
        seen["kuiper"] += kuiper_distance(isotropic, kept) * scale > 1.747
    assert seen["kuiper"] > 1.25 * seen["ks"]


def test_a_last_bit_does_not_tell_equal_sizes_apart():
    real = catalogue(500, 1)
    rounded = with_values(real, semi_major_axis=np.exp(np.log(real["semi_major_axis"])))
    assert (rounded["semi_major_axis"] != real["semi_major_axis"]).mean() > 0.3
    assert compare(real, rounded).ks["semi_major_axis"] == 0


def test_ties_of_ranked_results_shrink_with_the_sample():
    real = catalogue(100)
    widths = {n: compare(real, catalogue(n)).tie for n in (1000, 2000, 9000)}
    assert widths == pytest.approx({1000: 0.017, 2000: 0.012, 9000: 0.006}, abs=5e-4)  # MEASURE's figures


def test_colors_only_where_images_have_them():
    with_colors, without = catalogue(300, 1), catalogue(300, 2, colors=False)
    assert set(compare(with_colors, with_colors).colors) == {"color_rg", "color_gb"}
    assert compare(with_colors, without).colors == {}
    bluer = with_values(with_colors, color_gb=with_colors["color_gb"] + 0.1)
    colors = compare(with_colors, bluer).colors
    assert colors["color_rg"] == 0 and colors["color_gb"] > 0.3


def test_no_fit_at_all_is_the_worst_objective_and_undefined_elsewhere():
    real, nothing = catalogue(300, 1, failed=0), catalogue(300, 2, failed=1.1)
    result = compare(real, nothing)
    assert result.ks_mean == 1 and result.failed["generated"] == 1 and not result.rankable
    metrics = result.metrics()
    assert all(math.isfinite(value) for value in metrics.values())
    assert "energy" not in metrics and "wasserstein/flux" not in metrics
    assert compare(nothing, nothing).ks_mean == 0
    json.dumps(result.as_dict(), allow_nan=False)


def test_the_same_seed_gives_the_same_numbers_and_order_does_not_matter():
    real, generated = catalogue(3000, 1), catalogue(3000, 2)
    first, second = compare(real, generated, seed=3), compare(real, generated, seed=3)
    assert first == second
    shuffled = compare(real.sample(frac=1, random_state=0), generated, seed=3)
    assert shuffled.ks == first.ks and shuffled.kuiper == first.kuiper
    assert first.energy_n == (2500, 2500)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda table: table.iloc[:0], "generated catalogue is empty"),
        (lambda table: table.drop(columns="flux"), "no column 'flux'"),
    ],
)
def test_a_catalogue_that_cannot_be_compared_is_named(broken, message):
    with pytest.raises(ValueError, match=message):
        compare(catalogue(10), broken(catalogue(10)))


def test_nine_thousand_each_in_under_a_second_of_one_core():
    real, generated = catalogue(9000, 1), catalogue(9000, 2)
    compare(real, generated)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        compare(real, generated)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1
