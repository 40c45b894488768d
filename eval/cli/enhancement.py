"""What `python -m eval.enhancement` does between its options and its exit status."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from common.atomic import write_bytes
from common.names import stem
from common.progress import ProgressBar
from eval.cli.options import load_side, skipped_files
from eval.images.arrays import CollectionError
from eval.images.load import ImageCollection
from eval.properties import PROPERTIES
from eval.statistics.detections import DetectionSettings
from eval.statistics.enhancement import judge
from eval.statistics.enhancement_result import EnhancementResult

Sides = dict[str, ImageCollection]


def run(options: argparse.Namespace, console: Console, bars: ProgressBar) -> None:
    """Load, pair, judge, write and print, in that order."""
    detection = DetectionSettings(
        threshold=options.threshold, counterpart=min(options.threshold, DetectionSettings().counterpart)
    )
    sides = {
        name: load_side(name, getattr(options, name), None, None, bars) for name in ("inputs", "predictions", "targets")
    }
    images, ids, unpaired = paired(sides, options.limit)
    result = judge(
        *images, detection=detection, engine=options.engine, jobs=options.jobs, ids=ids, progress=bars.update
    )
    bars.stop()
    write(options.out, result, sides)
    console.print(table(result))
    console.print(detection_table(result))
    for name, side in sides.items():
        for line in skipped_files(name, side):
            console.print(line, markup=False)
    if unpaired:
        console.print(f"left out, since not in all three: {unpaired}", markup=False)
    console.print(f"Written: {options.out}{os.sep}", markup=False)


def paired(sides: Sides, limit: int | None) -> tuple[list[np.ndarray], list[Any], str]:
    """Images of the galaxies that all three sides have, in one order, their names, and what was left out, in words.

    Raises
    ------
    CollectionError
        Files have no name in common, or arrays differ in length.
    """
    keys = {name: [_key(name_of) for name_of in side.ids] for name, side in sides.items()}
    numbered = any(isinstance(key, int) for names in keys.values() for key in names)
    if numbered:
        lengths = {name: len(side) for name, side in sides.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{count:,} {name}" for name, count in lengths.items())
            raise CollectionError(f"{counts}: arrays are paired by their order, so expected one number of images")
        rows = {name: list(range(len(side))) for name, side in sides.items()}
        common = next((names for names in keys.values() if not isinstance(names[0], int)), keys["targets"])
    else:
        common = _common(keys, sides)
        rows = {name: _rows(names, common) for name, names in keys.items()}
    if limit is not None:
        if limit < 1:
            raise CollectionError(f"limit = {limit} does not work: expected 1 or more")
        chosen = np.arange(min(limit, len(common))) * len(common) // min(limit, len(common))
        common = [common[i] for i in chosen]
        rows = {name: [of[i] for i in chosen] for name, of in rows.items()}
    left = ", ".join(
        f"{len(side) - len(common):,} of {len(side):,} {name}"
        for name, side in sides.items()
        if limit is None and len(side) > len(common)
    )
    return [sides[name].images[rows[name]] for name in sides], common, left


def _key(name: Any) -> Any:
    """A number as it is; a file by its name without folders and suffix."""
    return name if isinstance(name, int) else stem(str(name))


def _rows(names: list[Any], common: list[Any]) -> list[int]:
    place = {key: row for row, key in enumerate(names)}
    return [place[key] for key in common]


def _common(keys: dict[str, list[Any]], sides: Sides) -> list[Any]:
    for name, names in keys.items():
        twice = pd.Series(names)[pd.Series(names).duplicated()]
        if len(twice):
            raise CollectionError(f"{sides[name].source} has two images named {twice.iloc[0]!r}: expected one each")
    everywhere = set(keys["inputs"]) & set(keys["predictions"]) & set(keys["targets"])
    if not everywhere:
        examples = ", ".join(f"{names[0]!r} in {sides[name].source}" for name, names in keys.items())
        raise CollectionError(f"no galaxy is in all three, such as {examples}: expected files of the same names")
    return [key for key in keys["targets"] if key in everywhere]


ROWS = (
    ("PSNR, dB", "psnr"),
    ("SSIM", "ssim"),
    ("aperture flux, bias of ln", "flux_bias"),
    ("aperture flux, scatter of ln", "flux_scatter"),
    ("power spectrum, dex", "spectrum"),
    ("fine structure, dex", "sharpness"),
    ("completeness", "completeness"),
    ("contamination", "contamination"),
    ("hallucinations a galaxy", "hallucinations"),
    ("misses a galaxy", "misses"),
    ("without a fit", "failed/prediction"),
)


def table(result: EnhancementResult) -> Table:
    """Every figure of the input beside that of the prediction."""
    metrics = result.metrics()
    made = Table(title=f"{len(result):,} galaxies against their targets", title_justify="left")
    made.add_column("figure")
    for column in ("input", "prediction"):
        made.add_column(column, justify="right")
    for words, name in ROWS:
        _row(made, words, metrics, f"{name.removesuffix('/prediction')}/input", name)
    floor = metrics.get("spectrum_floor")
    if floor is not None:
        made.add_row("power spectrum of other targets, dex", "", f"{floor:.3f}")
    made.add_section()
    for name in PROPERTIES:
        _row(made, f"{PROPERTIES[name].difference}, bias", metrics, f"bias_input/{name}", f"bias/{name}")
        _row(made, f"{PROPERTIES[name].difference}, scatter", metrics, f"scatter_input/{name}", f"scatter/{name}")
        _row(made, f"{PROPERTIES[name].difference}, gain", metrics, "", f"gain/{name}")
    return made


def detection_table(result: EnhancementResult) -> Table:
    """Completeness and contamination by magnitude, of the predictions."""
    made = Table(title="Sources by magnitude (-2.5 log10 of grey levels)", title_justify="left")
    for column in ("magnitude", "targets", "found", "complete", "outputs", "invented", "share"):
        made.add_column(column, justify="right")
    for row in result.detections.itertuples(index=False):
        shares = [f"{share:.0%}" if np.isfinite(share) else "" for share in (row.completeness, row.contamination)]
        made.add_row(f"{row.magnitude:.1f}", f"{row.targets:,}", f"{row.found:,}", shares[0],
                     f"{row.outputs:,}", f"{row.hallucinations:,}", shares[1])  # fmt: skip
    return made


def _row(made: Table, words: str, metrics: dict[str, float], *names: str) -> None:
    values = [metrics.get(name) for name in names]
    if any(value is not None for value in values):
        made.add_row(words, *("" if value is None else f"{value:.3f}" for value in values))


def write(out: Any, result: EnhancementResult, sides: Sides) -> None:
    """Write the tables, the numbers and the figure; each file whole or not at all."""
    from eval.plots.distributions import save_figure
    from eval.plots.enhancement import enhancement_figure

    figure = enhancement_figure(result)
    write_bytes(out / "galaxies.parquet", result.table.astype({"id": str}).to_parquet(index=False))
    write_bytes(out / "detections.parquet", result.detections.to_parquet(index=False))
    save_figure(figure, out / "enhancement.png")
    summary = {
        **{name: {"source": side.source, "n": len(side), "skipped": side.skipped} for name, side in sides.items()},
        "n": len(result),
        "measurement": result.measurement,
        "metrics": result.metrics(),
        "detections": json.loads(result.detections.to_json(orient="records")),
        "detections_input": json.loads(result.detections_input.to_json(orient="records")),
    }
    write_bytes(out / "enhancement.json", (json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())
