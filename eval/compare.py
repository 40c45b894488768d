"""Compare two collections of galaxy images by the shapes of what they show.

    python -m eval.compare REAL GENERATED --out DIR

Each side is a folder of pictures, an array, HDF5 or FITS file, a galaxy set (see
`eval.images.load`) or a catalogue that was measured before (.parquet, .ecsv). Every image is
measured, and the distances between the two catalogues are printed, each beside its floor: what
two samples of real galaxies of these sizes would give.

DIR then holds real.parquet, generated.parquet (one row per galaxy), comparison.json,
histograms.png and, where both sides are images, spectra.png. Exit status: 0 done, 2 the input
cannot be used, 130 interrupted (nothing is written).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.atomic import write_bytes
from common.progress import ProgressBar
from eval.catalogue import read_catalogue, write_catalogue
from eval.cli.options import add_measurement_options, load_side, parser_of, run_evaluation, skipped_files
from eval.distances import Comparison
from eval.images.arrays import CollectionError
from eval.images.load import ImageCollection
from eval.measure import measure
from eval.metrics import GALAXIES, Sample, Samples
from eval.metrics.registry import FLOOR, FLOOR_95
from eval.settings import MeasurementSettings

CATALOGUES = (".parquet", ".ecsv")
_MEASUREMENT = tuple(field.name for field in fields(MeasurementSettings))


@dataclass
class Side:
    """One of the two collections: its images where there are any, and its catalogue."""

    name: str
    source: str
    collection: ImageCollection | None = None
    catalogue: pd.DataFrame | None = None

    @property
    def rows(self) -> pd.DataFrame:
        """The catalogue, once there is one."""
        if self.catalogue is None:
            raise RuntimeError(f"{self.source} is not measured yet")
        return self.catalogue

    @property
    def sample(self) -> Sample:
        """The catalogue with the images where there are any."""
        return Sample(self.rows, self.collection.images if self.collection else None)

    def describe(self) -> dict[str, Any]:
        """What `comparison.json` says about this side."""
        images = self.collection.images if self.collection else None
        return {
            "source": self.source,
            "n": len(self.rows),
            "status": self.rows["status"].value_counts().to_dict(),
            "image_shape": None if images is None else list(images.shape[1:]),
            "skipped": self.collection.skipped if self.collection else {},
            "measurement": self.rows.attrs.get("measurement", {}),
        }


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = parser_of("eval.compare", __doc__ or "", default_out="comparison")
    command.add_argument("real", metavar="REAL", help="real galaxies: images or a catalogue")
    command.add_argument("generated", metavar="GENERATED", help="the galaxies to compare with them")
    command.add_argument(
        "--size", type=int, help="downsample both sides to this many px (default: the size of GENERATED)"
    )
    add_measurement_options(command)
    command.add_argument("--seed", type=int, default=0, help="seed of the floors by split (default: %(default)s)")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_evaluation(parser(), arguments, run)


def run(options: argparse.Namespace, console: Console, bars: ProgressBar) -> None:
    """Load, measure, compare, write and print, in that order."""
    generated = _load("generated", options.generated, options.size, options.limit, bars)
    size = options.size or (generated.collection.images.shape[1] if generated.collection else None)
    real = _load("real", options.real, size, options.limit, bars)
    _measure((real, generated), options.engine, options.jobs, bars)
    bars.stop()
    if real.collection and generated.collection:
        _require_same_kind(real.collection, generated.collection)
    samples = Samples(real.sample, generated.sample, options.seed)
    metrics = {**samples.comparison.metrics(), **GALAXIES.evaluate(samples)}
    _write(options.out, real, generated, samples, metrics)
    console.print(table(samples.comparison, metrics))
    for side in (real, generated):
        for line in _remarks(side):
            console.print(line, markup=False)
    if not samples.comparison.rankable:
        console.print("Too few generated galaxies have a fit for a distribution of shapes worth ranking.")
    console.print(f"Written: {options.out}{os.sep}", markup=False)


def table(comparison: Comparison, metrics: Mapping[str, float], *, title: str | None = None) -> Table:
    """Return every figure beside its floor; bold where it exceeds what chance gives in 95 of 100 cases.

    Parameters
    ----------
    comparison : Comparison
        Sizes and failures of the two samples.
    metrics : dict of str to float
        From `eval.metrics.GALAXIES.evaluate`, with floors.
    title : str, optional
        Of the table.
    """
    n_real, n_generated = comparison.n_real, comparison.n_generated
    result = Table(title=title or f"{n_generated:,} generated against {n_real:,} real galaxies", title_justify="left")
    result.add_column("figure")
    for column in ("value", "floor", "95%"):
        result.add_column(column, justify="right")
    group = ""
    for metric in GALAXIES:
        if metric.key not in metrics:
            continue
        if metric.group != group:
            group = metric.group
            result.add_section()
            result.add_row(f"[dim]{escape(group)}[/dim]")
        value, floor, high = metrics[metric.key], metrics.get(FLOOR + metric.key), metrics.get(FLOOR_95 + metric.key)
        bold = high is not None and value > high
        result.add_row(
            f"  {escape(metric.label)}",
            f"[bold]{value:.3f}[/bold]" if bold else f"{value:.3f}",
            *("" if number is None else f"{number:.3f}" for number in (floor, high)),
        )
    result.add_section()
    result.add_row("without a fit, generated", f"{comparison.failed['generated']:.1%}", "", "")
    result.add_row("without a fit, real", f"{comparison.failed['real']:.1%}", "", "")
    result.add_row("mean KS ties within", f"{comparison.tie:.3f}", "", "")
    return result


def _load(name: str, source: str, size: int | None, limit: int | None, bars: ProgressBar) -> Side:
    side = Side(name, source)
    if Path(source).suffix in CATALOGUES:
        side.catalogue = read_catalogue(source)
        if limit is not None:
            attributes = side.catalogue.attrs
            rows = np.arange(min(limit, len(side.catalogue))) * len(side.catalogue) // min(limit, len(side.catalogue))
            side.catalogue = side.catalogue.iloc[rows].reset_index(drop=True)
            side.catalogue.attrs.update(attributes)
        return side
    side.collection = load_side(name, source, size, limit, bars)
    return side


def _measure(sides: Sequence[Side], engine: str, jobs: int | None, bars: ProgressBar) -> None:
    """Measure what has no catalogue yet, the way that the other side's catalogue was measured."""
    settings = _shared_settings(sides)
    for side in sides:
        if side.collection is None:
            continue
        side.catalogue = measure(
            side.collection.images,
            ids=side.collection.ids,
            engine=engine,
            jobs=jobs,
            settings=settings,
            progress=partial(bars.update, f"measuring {side.name}"),
        )


def _shared_settings(sides: Sequence[Side]) -> MeasurementSettings:
    """The settings that catalogues among the sides were measured with; the default where none says."""
    found: list[tuple[str, dict[str, Any]]] = []
    for side in sides:
        known = {} if side.catalogue is None else side.catalogue.attrs.get("measurement", {})
        known = {name: known[name] for name in _MEASUREMENT if name in known}
        if known:
            found.append((side.source, known))
    if len(found) == 2:
        (first, one), (second, other) = found
        for name in _MEASUREMENT:
            if one.get(name) != other.get(name):
                values = f"{name} = {one.get(name)} in {first}, {other.get(name)} in {second}"
                raise CollectionError(f"the catalogues were measured differently ({values}): measure one of them again")
    return MeasurementSettings(**found[0][1]) if found else MeasurementSettings()


def _require_same_kind(real: ImageCollection, generated: ImageCollection) -> None:
    if real.images.dtype != generated.images.dtype:
        raise CollectionError(
            f"{real.source} has {real.images.dtype} pixels and {generated.source} {generated.images.dtype}, "
            "so their fluxes have different units: expected both as 0..255, or both in their own units"
        )


def _remarks(side: Side) -> list[str]:
    lines = skipped_files(side.name, side.collection) if side.collection else []
    odd = side.rows["status"].value_counts().drop(["ok", "failed"], errors="ignore")
    if len(odd):
        lines.append(f"{side.name}: " + ", ".join(f"{count:,} {status}" for status, count in odd.items()))
    return lines


def _write(out: Path, real: Side, generated: Side, samples: Samples, metrics: Mapping[str, float]) -> None:
    from eval.plots.distributions import histogram_figure, save_figure, spectrum_figure

    title = f"{Path(generated.source).name} against {Path(real.source).name}"
    histograms = histogram_figure(real.rows, generated.rows, samples.comparison, title=title)
    for side in (real, generated):
        write_catalogue(side.rows, out / f"{side.name}.parquet")
    save_figure(histograms, out / "histograms.png")
    if samples.spectra is not None:
        save_figure(spectrum_figure(samples.spectra, title=f"Mean radial power spectra, {title}"), out / "spectra.png")
    else:
        (out / "spectra.png").unlink(missing_ok=True)
    summary = {
        "real": real.describe(),
        "generated": generated.describe(),
        "metrics": dict(metrics),
        "comparison": samples.comparison.as_dict(),
    }
    write_bytes(out / "comparison.json", (json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
