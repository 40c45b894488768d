"""Distances between two samples, against closed forms and other programs."""

import math

import numpy as np
import pytest
from scipy import stats

from eval.distances import (
    KS_95_NULL,
    KS_MEAN_NULL,
    KUIPER_MEAN_NULL,
    energy_distance,
    ks_distance,
    kuiper_distance,
    wasserstein_distance,
)


@pytest.mark.parametrize("kind", ["continuous", "lattice"])
@pytest.mark.parametrize("sizes", [(300, 300), (300, 517), (1, 40)])
def test_ks_is_scipys_with_and_without_ties(kind, sizes):
    rng = np.random.default_rng(1)
    draw = {
        "continuous": lambda n, loc: rng.normal(loc, size=n),
        "lattice": lambda n, loc: rng.binomial(20, 0.4 + loc, n),
    }[kind]
    a, b = draw(sizes[0], 0.0), draw(sizes[1], 0.1)
    assert ks_distance(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
    assert wasserstein_distance(a, b) == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-12)
    assert energy_distance(a[:, None], b[:, None]) == pytest.approx(stats.energy_distance(a, b), abs=1e-7)


def test_a_failed_fit_is_a_value_below_all_others():
    nan = math.nan
    assert ks_distance([1, 2, 3, 4], [1, 2, 3, 4]) == 0
    assert ks_distance([nan, nan, 3, 4], [nan, nan, 3, 4]) == 0  # the failures tie with each other
    assert ks_distance([1, 2, 3, 4], [nan, 2, 3, 4]) == 0.25  # one value became a failure
    assert ks_distance([1, 2, 3, 4], [nan, nan, nan, 4]) == 0.75  # although the fits that are left look alike
    assert ks_distance([-5, -6], [nan, nan]) == 1  # below even negative values
    assert ks_distance([nan, 1], [2, 3]) == 1


def test_kuiper_of_known_samples_and_against_astropy():
    kuiper_two = pytest.importorskip("astropy.stats").kuiper_two
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=250), rng.normal(0.2, 1.5, size=400)
    assert kuiper_distance(a, b) == pytest.approx(kuiper_two(a, b)[0], abs=1e-12)
    assert kuiper_distance([1, 2], [3, 4]) == 1
    # b sits on both sides of a: F - G reaches +1/2 and -1/2, so KS is 1/2 and V is 1.
    assert ks_distance([2, 3], [1, 4]) == 0.5
    assert kuiper_distance([2, 3], [1, 4]) == 1


def test_kuiper_of_equals_follows_its_published_distribution():
    """Kuiper (1960), Stephens (1970): 1.747 and 2.001 are the 5% and 1% points of sqrt(nm/(n+m)) V."""
    rng = np.random.default_rng(3)
    n, repeats = 1000, 2000
    scaled = np.array([kuiper_distance(rng.random(n), rng.random(n)) for _ in range(repeats)]) * math.sqrt(n / 2)
    assert np.mean(scaled) == pytest.approx(KUIPER_MEAN_NULL, rel=0.03)
    assert np.mean(scaled > 1.747) == pytest.approx(0.05, abs=0.015)
    assert np.mean(scaled > 2.001) == pytest.approx(0.01, abs=0.007)


def test_ks_of_equals_follows_kolmogorovs_distribution():
    assert pytest.approx(stats.kstwobign.mean(), abs=1e-4) == KS_MEAN_NULL
    assert pytest.approx(stats.kstwobign.ppf(0.95), abs=1e-4) == KS_95_NULL


@pytest.mark.parametrize("turn", [0.0, 31.0, 90.0, 179.5])
def test_circular_distances_do_not_depend_on_where_the_circle_is_cut(turn):
    rng = np.random.default_rng(4)
    a, b = rng.vonmises(0.4, 2, 300) * 90 / math.pi, rng.uniform(-90, 90, 500)
    turned = [np.mod(sample + turn, 180) for sample in (a, b)]
    assert kuiper_distance(*turned) == pytest.approx(kuiper_distance(a, b), abs=1e-12)
    assert wasserstein_distance(*turned, circular=True) == pytest.approx(
        wasserstein_distance(a, b, circular=True), abs=1e-9
    )


def test_wasserstein_of_shifted_samples_is_the_shift():
    rng = np.random.default_rng(5)
    a = rng.normal(size=400)
    assert wasserstein_distance(a, a + 0.7) == pytest.approx(0.7)
    angles = rng.normal(80, 4, 400)  # straddles the cut at 90 deg
    assert wasserstein_distance(angles, angles + 12, circular=True) == pytest.approx(12)
    assert wasserstein_distance([0.0], [170.0], circular=True) == pytest.approx(10)  # the short way round


def test_circular_wasserstein_is_the_best_over_all_cuts():
    rng = np.random.default_rng(6)
    a, b = rng.uniform(0, 180, 12), rng.uniform(0, 180, 12)
    # An optimal plan on a circle leaves some arc uncrossed: it is a cyclic matching of the sorted angles.
    best = min(np.mean(np.minimum(d := np.abs(np.sort(a) - np.roll(np.sort(b), k)), 180 - d)) for k in range(len(a)))
    assert wasserstein_distance(a, b, circular=True) == pytest.approx(best)


def test_energy_distance_of_two_points_and_by_brute_force():
    assert energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == pytest.approx(math.sqrt(10))
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(150, 5)), rng.normal(0.2, 1.2, size=(333, 5))

    def mean_distance(x, y):
        return np.mean([np.linalg.norm(p - q) for p in x for q in y])

    expected = math.sqrt(2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b))
    assert energy_distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert energy_distance(a, a) == pytest.approx(0, abs=1e-6)
