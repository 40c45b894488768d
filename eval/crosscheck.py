"""Check the fast engine against photutils on your own images.

    python -m eval.crosscheck IMAGES [-n 300] [--size 64] [--cache DIR]

IMAGES is anything that `eval.images.load` reads. Both engines measure the same images and the
table says how far they agree: verdicts, differences image by image where the final size is the
same, and the KS distance between the two catalogues.

photutils does not agree with itself: an isophote that does not converge amplifies rounding until
another final size comes out. So the yardstick is photutils against itself with noise of 1e-5 DN
added to the frame (`--perturbed N` images; as slow as the first run), and the fast engine against
itself likewise, many times over. Exit status: 0 the engines agree as well as that, 1 they do not,
2 the input cannot be used, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.command import run_command
from common.errors import EXIT_FAILED, EXIT_OK, InputError
from common.progress import ProgressBar
from eval.catalogue import PROPERTIES, STATUSES, cached, content_key
from eval.measure import as_catalogue, as_images, cpus
from eval.settings import MeasurementSettings
from eval.statistics.two_sample import ks_distance

PERTURBATION = 1e-5
"""Standard deviation, in units of the image, of the noise that the yardstick adds to the frame."""

REPEATS = 20
"""Perturbed runs of the fast engine: cheap, and so the spread of the yardstick is known."""

LEAST_VERDICTS = 0.995
SAME_SIZE = 1e-6
"""Relative difference below which two final sizes are the same step of the lattice."""


@dataclass(frozen=True)
class Agreement:
    """How two catalogues of the same images agree.

    Attributes
    ----------
    count : int
        Images.
    verdicts : dict of (str, str) to int
        Images by status in the first and in the second catalogue.
    same_verdict : float
        Share of images that are measured in both, or in neither.
    same_size : float
        Share, of those measured in both, with the same final semi-major axis.
    differences : dict of str to (median, 90th percentile, maximum)
        Absolute differences where the final size is the same: of ellipticity, of position angle
        in degrees, and of flux relative to the first.
    ks : dict of str to float
        KS distance of each property, an image not measured counting as a value below all others.
    """

    count: int
    verdicts: dict[tuple[str, str], int]
    same_verdict: float
    same_size: float
    differences: dict[str, tuple[float, float, float]]
    ks: dict[str, float] = field(default_factory=dict)

    @property
    def ks_mean(self) -> float:
        """Mean of the four KS distances."""
        return float(np.mean(list(self.ks.values())))


def agreement(first: pd.DataFrame, second: pd.DataFrame) -> Agreement:
    """Compare two catalogues of the same images, row by row and as distributions.

    Raises
    ------
    ValueError
        If they have not the same number of rows.
    """
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(f"catalogues of {len(first)} and {len(second)} rows: expected the same images, at least one")
    first, second = first.reset_index(drop=True), second.reset_index(drop=True)
    pairs = pd.Series(list(zip(first["status"], second["status"], strict=True)))
    measured = np.array([first["status"] == "ok", second["status"] == "ok"])
    both = measured.all(axis=0)
    a, b = first[both], second[both]
    same = (a["semi_major_axis"] / b["semi_major_axis"] - 1.0).abs() < SAME_SIZE
    a, b = a[same], b[same]
    turn = a["position_angle"] - b["position_angle"]
    gaps = {
        "ellipticity": (a["ellipticity"] - b["ellipticity"]).abs(),
        "position_angle": ((turn + 90.0) % 180.0 - 90.0).abs(),
        "flux": (b["flux"] / a["flux"] - 1.0).abs(),
    }
    return Agreement(
        count=len(first),
        verdicts={pair: int(count) for pair, count in pairs.value_counts().items()},
        same_verdict=float((measured[0] == measured[1]).mean()),
        same_size=float(same.mean()) if len(same) else np.nan,
        differences={name: _quantiles(gap) for name, gap in gaps.items()},
        ks={name: ks_distance(*_with_failures(first[name], second[name])) for name in PROPERTIES},
    )


def _quantiles(gap: pd.Series) -> tuple[float, float, float]:
    """Median, 90th percentile and maximum; NaN of nothing."""
    if gap.empty:
        return np.nan, np.nan, np.nan
    return float(gap.median()), float(gap.quantile(0.9)), float(gap.max())


def _with_failures(first: pd.Series, second: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both columns with NaN replaced by one value below all others."""
    low = np.nanmin([first.min(), second.min(), 0.0]) - 1.0
    return first.fillna(low).to_numpy(), second.fillna(low).to_numpy()


@dataclass(frozen=True)
class Crosscheck:
    """The engines against each other, and each against itself with noise at rounding level.

    Attributes
    ----------
    engines : Agreement
        photutils against fast, all images.
    engines_part : Agreement
        The same, of the images that were measured a second time with noise.
    photutils : Agreement
        photutils against photutils with noise, of those images.
    fast : list of Agreement
        The fast engine against itself with noise, all images, many times.
    """

    engines: Agreement
    engines_part: Agreement
    photutils: Agreement
    fast: list[Agreement]

    @property
    def ks_limit(self) -> float:
        """Largest mean KS that a catalogue has from itself with noise."""
        floor = [run.ks_mean for run in self.fast]
        return max(*floor, self.photutils.ks_mean * np.sqrt(self.photutils.count / self.engines.count))

    @property
    def passed(self) -> bool:
        """Whether verdicts and distributions agree as well as an engine agrees with itself."""
        return self.engines.same_verdict >= LEAST_VERDICTS and self.engines.ks_mean <= self.ks_limit


def crosscheck(
    images: np.ndarray,
    *,
    perturbed: int | None = None,
    settings: MeasurementSettings | None = None,
    jobs: int | None = None,
    cache: Path | None = None,
    time_limit: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Crosscheck:
    """Measure images with both engines, and again with noise at rounding level.

    Parameters
    ----------
    images : (N, H, H, C) or (N, H, H) array
    perturbed : int or None
        Images that photutils measures a second time; None means all.
    settings : MeasurementSettings or None
    jobs : int or None
    cache : path or None
        Folder that keeps photutils' catalogues.
    time_limit : float or None
        Seconds per image, for photutils.
    progress : callable or None
        Called with (what, done, total).
    """
    from eval.isophote import compiled_engine, photutils_engine

    images = as_images(images)
    settings = settings or MeasurementSettings()
    jobs = cpus() if jobs is None else jobs
    part = images[: len(images) if perturbed is None else max(1, perturbed)]

    def reference(some: np.ndarray, noise: float, what: str) -> pd.DataFrame:
        def work() -> pd.DataFrame:
            fits = photutils_engine.fit_many(
                some,
                settings=settings,
                jobs=jobs,
                time_limit=time_limit,
                perturbation=noise,
                progress=(lambda done, total: progress(what, done, total)) if progress else None,
            )
            return as_catalogue(fits, range(len(some)), settings=settings, engine="photutils")

        engine = f"photutils+{noise:g}" if noise else "photutils"
        path = cache / f"catalogue-{content_key(some, settings, engine)}.parquet" if cache else None
        return cached(path, len(some), work)

    def fast(noise: float, seed: int) -> pd.DataFrame:
        fits = compiled_engine.fit_many(images, settings=settings, jobs=jobs, perturbation=noise, seed=seed)
        return as_catalogue(fits, range(len(images)), settings=settings, engine="fast")

    first = fast(0.0, 0)
    runs = []
    for repeat in range(REPEATS):
        runs.append(agreement(first, fast(PERTURBATION, repeat * len(images))))
        if progress:
            progress("fast with noise", repeat + 1, REPEATS)
    whole = reference(images, 0.0, "photutils")
    again = reference(part, PERTURBATION, "photutils with noise")
    few = len(part)
    return Crosscheck(
        engines=agreement(whole, first),
        engines_part=agreement(whole[:few], first[:few]),
        photutils=agreement(whole[:few], again),
        fast=runs,
    )


def report(check: Crosscheck) -> str:
    """Return the agreement table as text."""
    few = check.photutils.count
    lines = [f"Verdicts of {check.engines.count} images (rows photutils, columns fast)"]
    seen = [status for status in STATUSES if any(status in pair for pair in check.engines.verdicts)]
    lines.append("".join(f"{name:>12}" for name in ("", *seen)))
    for row in seen:
        counts = [check.engines.verdicts.get((row, column), 0) for column in seen]
        lines.append(f"{row:>12}" + "".join(f"{count:>12}" for count in counts))
    columns = {
        f"engines, n={check.engines.count}": [check.engines],
        f"engines, n={few}": [check.engines_part],
        f"photutils+noise, n={few}": [check.photutils],
        f"fast+noise x{len(check.fast)}": check.fast,
    }
    lines += ["", f"{'':34}" + "".join(f"{name:>24}" for name in columns)]

    def line(name: str, value: Callable[[Agreement], float], style: str) -> None:
        cells = []
        for runs in columns.values():
            values = [value(run) for run in runs]
            text = format(float(np.mean(values)), style)
            cells.append(text if len(values) == 1 else f"{text} to {format(max(values), style)}")
        lines.append(f"{name:34}" + "".join(f"{cell:>24}" for cell in cells))

    line("same verdict", lambda run: run.same_verdict, ".4f")
    line("same final size", lambda run: run.same_size, ".4f")
    for name in PROPERTIES:
        line(f"KS {name}", lambda run, name=name: run.ks[name], ".4f")  # type: ignore[misc]
    line("KS mean", lambda run: run.ks_mean, ".4f")
    for name, unit in (("ellipticity", ""), ("position_angle", ", deg"), ("flux", ", relative")):
        for at, which in enumerate(("median", "90%", "largest")):
            line(f"|d {name}|{unit}, {which}", lambda run, n=name, at=at: run.differences[n][at], ".1e")  # type: ignore[misc]
    lines += [
        "(differences where the final size is the same; fast+noise: mean to largest of the runs)",
        "",
        f"Same verdict {check.engines.same_verdict:.2%}, at least {LEAST_VERDICTS:.1%} asked for; "
        f"mean KS {check.engines.ks_mean:.4f}, itself with noise up to {check.ks_limit:.4f}: "
        + ("the engines agree." if check.passed else "THE ENGINES DO NOT AGREE."),
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    this = argparse.ArgumentParser(prog="python -m eval.crosscheck", description=(__doc__ or "").split("\n")[0])
    this.add_argument("images", metavar="IMAGES", help="folder, archive, array or galaxy set")
    this.add_argument("-n", type=int, default=300, metavar="N", help="images, spread over the collection (300)")
    this.add_argument("--size", type=int, default=64, help="side in pixels to which they are reduced (64)")
    this.add_argument("--perturbed", type=int, metavar="N", help="of those, measured again with noise (all)")
    this.add_argument("--jobs", type=int, metavar="N", help="processes for photutils, threads for the fast engine")
    this.add_argument("--time-limit", type=float, metavar="S", help="seconds per image for photutils (120)")
    this.add_argument("--cache", type=Path, metavar="DIR", help="keep photutils' catalogues here and reuse them")
    return this


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    return run_command(parser(), arguments, run, interrupted="interrupted; catalogues in --cache are kept")


def run(options: argparse.Namespace) -> int:
    """Compare the engines and print the report; 1 where they differ more than photutils from itself."""
    from eval.images.load import load_images

    try:
        for option, value in (("-n", options.n), ("--perturbed", options.perturbed), ("--jobs", options.jobs)):
            if value is not None and value < 1:
                raise InputError(f"{option} {value} does not work: expected 1 or more")
        images = load_images(options.images, size=options.size, limit=options.n).images
        with ProgressBar() as bars:
            check = crosscheck(
                images,
                perturbed=options.perturbed,
                jobs=options.jobs,
                cache=options.cache,
                time_limit=options.time_limit,
                progress=bars.update,
            )
    except (ValueError, OSError) as error:
        raise InputError(str(error)) from None
    print(report(check))
    return EXIT_OK if check.passed else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
