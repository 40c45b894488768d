"""Time of a comparison, width of a tie, and the power of each distance on what the KS distances miss.

    python -m benchmarks.distances [CATALOGUE] [--trials 200]

CATALOGUE is a table of real galaxies measured by `eval.compare` or `eval.measure` (.parquet);
without it 3,000 synthetic galaxies are drawn and measured. Samples are drawn from it with
replacement. "Power" is the share of trials in which a figure exceeds what it reaches in 5% of
trials of real galaxies against real galaxies.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd


def timing(catalogue: pd.DataFrame, rng: np.random.Generator) -> None:
    """Seconds for 9,000 against 9,000."""
    from eval.distances import compare

    real, generated = (sample(catalogue, 9000, rng) for _ in range(2))
    compare(real, generated)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        compare(real, generated)
        seconds.append(time.process_time() - start)
    print(f"compare, 9,000 against 9,000, all distances and floors: {np.median(seconds):.2f} s of one core")


def ties(catalogue: pd.DataFrame, rng: np.random.Generator, trials: int) -> None:
    """1.96 standard deviations of the difference of two mean KS of one generator, times sqrt(n)."""
    print("width of a tie times sqrt(n generated), one generator sampled twice")
    real = sample(catalogue, 9000, rng)
    for name, shift in (("as good as real", 0.0), ("a little worse", 0.12), ("bad", 0.45)):
        widths, level = [], 0.0
        generator = displaced(catalogue, shift, rng)
        for n in (1000, 2000):
            values = [mean_ks(real, sample(generator, n, rng)) for _ in range(trials)]
            level = float(np.mean(values))
            widths.append(1.96 * np.sqrt(2) * np.std(values) * np.sqrt(n))
        print(f"  {name:<16} mean KS {level:.3f}: {widths[0]:.2f} (n = 1,000), {widths[1]:.2f} (n = 2,000)")


def power(catalogue: pd.DataFrame, n: int, rng: np.random.Generator, trials: int) -> None:
    """Power of each figure with n galaxies on either side."""
    from eval.catalogue import PROPERTIES
    from eval.distances import compare

    fits = catalogue[catalogue["status"] == "ok"].reset_index(drop=True)

    def shuffled(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(flux=rng.permutation(table["flux"].to_numpy()))

    def clumped(table: pd.DataFrame) -> pd.DataFrame:
        angles = rng.uniform(-90, 90, 4 * n)
        keep = rng.random(4 * n) < (1 - 0.35 * np.cos(np.deg2rad(2 * angles))) / 1.35
        return table.assign(position_angle=angles[keep][: len(table)])

    def collapsed(table: pd.DataFrame) -> pd.DataFrame:
        return table.iloc[rng.integers(0, 40, len(table))].reset_index(drop=True)

    def isotropic(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(position_angle=rng.uniform(-90, 90, len(table)))

    def figures(change):  # type: ignore[no-untyped-def]
        rows = []
        for _ in range(trials):
            result = compare(isotropic(sample(fits, n, rng)), change(isotropic(sample(fits, n, rng))), splits=1)
            metrics = result.metrics()
            rows.append(
                {key: metrics[key] for key in ("ks_mean", "ks/position_angle", "kuiper/position_angle", "energy")}
            )
        return pd.DataFrame(rows)

    limits = figures(lambda table: table).quantile(0.95)
    print(f"power at n = {n} ({', '.join(PROPERTIES)}; 5% false alarms)")
    cases = (("flux shuffled", shuffled), ("angles clumped", clumped), ("collapse to 40 galaxies", collapsed))
    for name, change in cases:
        shares = (figures(change) > limits).mean()
        print(f"  {name:<24}" + "  ".join(f"{key} {value:.2f}" for key, value in shares.items()))


def sample(catalogue: pd.DataFrame, n: int, rng: np.random.Generator) -> pd.DataFrame:
    """n rows drawn with replacement."""
    return catalogue.iloc[rng.integers(0, len(catalogue), n)].reset_index(drop=True)


def displaced(catalogue: pd.DataFrame, shift: float, rng: np.random.Generator) -> pd.DataFrame:
    """The galaxies of a worse generator: rounder, fainter, and some of them one step of the lattice smaller."""
    changed = catalogue.copy()
    changed["ellipticity"] = (changed["ellipticity"] - shift * changed["ellipticity"].std()).clip(lower=0)
    changed["flux"] = np.exp(np.log(changed["flux"]) - shift * np.log(changed["flux"]).std())
    smaller = rng.random(len(changed)) < 2 * shift
    changed.loc[smaller, "semi_major_axis"] /= 1.1
    return changed


def mean_ks(real: pd.DataFrame, generated: pd.DataFrame) -> float:
    """Mean of the four KS distances."""
    from eval.distances import compare

    return compare(real, generated, splits=1).ks_mean


def main() -> None:
    """Print all three."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("catalogue", nargs="?")
    command.add_argument("--trials", type=int, default=200)
    options = command.parse_args()
    if options.catalogue:
        from eval.catalogue import read_catalogue

        catalogue = read_catalogue(options.catalogue)
    else:
        from eval.measure import measure
        from gan.datasets.synthetic import draw

        catalogue = measure(draw(3000, size=64, seed=0)[0])
    rng = np.random.default_rng(0)
    print(f"{len(catalogue):,} galaxies, {np.mean(catalogue['status'] != 'ok'):.1%} without a fit")
    timing(catalogue, rng)
    ties(catalogue, rng, options.trials)
    for n in (500, 2000):
        power(catalogue, n, rng, options.trials)


if __name__ == "__main__":
    main()
