"""Does a generator repeat its training images? The closest training image of every generated one.

    python -m eval.closest GENERATED TRAINING --held-out HELDOUT --out DIR

The centres (50%) of generated images are compared in L1 with those of all training images and
their flips, as in F&M sec. 4.1 and fig. 7. A distance by itself says little, so it is set beside
the same distance of real images that were held out of training:

share          how often a generated image is closer to the training set than a held-out one is
               (over all pairs; ties count half): 50% without memorisation.
share_1pct     share of generated images closer than 99% of held-out ones are: 1%.
in_training    share of generated images whose nearest real image, training and held-out together,
               is a training image: N / (N + M) without memorisation, M being held out.

The first two also rise when generated images are only smoother than real ones, since noise adds
to every distance. The third does not, for training and held-out images are alike, so it tells a
generator that memorises from one that blurs; but it needs many memorised images, or many held out, to
move. A few copies among many good images show in the second, and at the left end of the figure.

HELDOUT is a collection of images, or, where TRAINING is a galaxy set, the number or share of its images
that training held out (`GalaxySet.split` with --split-seed). DIR then holds closest.parquet (one
row per generated image), closest.json, closest_match.png and, with held-out images,
closest_distances.png. Exit status: 0 done, 2 the input cannot be used, 130 interrupted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from common.atomic import write_bytes
from common.progress import ProgressBar
from eval.cli.options import load_side, parser_of, run_evaluation
from eval.images.arrays import CollectionError
from eval.images.load import ImageCollection
from eval.statistics.memorisation import Memorisation, memorisation
from eval.statistics.nearest import FLIPS, Nearest, nearest


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = parser_of("eval.closest", __doc__ or "", default_out="closest")
    command.add_argument("generated", metavar="GENERATED", help="generated images")
    command.add_argument("training", metavar="TRAINING", help="the images that the generator was trained on")
    command.add_argument("--held-out", metavar="HELDOUT", help="real images that it was not trained on")
    command.add_argument(
        "--split-seed", type=int, default=0, help="seed of the split of a galaxy set (default: %(default)s)"
    )
    command.add_argument("--size", type=int, help="downsample to this many px (default: the size of GENERATED)")
    command.add_argument("--crop", type=float, default=0.5, help="share of the side compared (default: %(default)s)")
    command.add_argument("--limit", type=int, help="take at most this many generated images, evenly spread")
    command.add_argument("--jobs", type=int, help="CPUs to use (default: all)")
    command.add_argument(
        "--seed", type=int, default=0, help="seed of the images shown at random (default: %(default)s)"
    )
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_evaluation(parser(), arguments, run)


def run(options: argparse.Namespace, console: Console, bars: ProgressBar) -> None:
    """Load, search, write and print, in that order."""
    if options.jobs is not None and options.jobs < 1:
        raise CollectionError(f"jobs = {options.jobs} does not work: expected 1 or more")
    generated = load_side("generated", options.generated, options.size, options.limit, bars)
    training, held_out = _real(options, generated.images.shape[1], bars)
    search = {"crop": options.crop, "jobs": options.jobs, "progress": partial(bars.update, "searching")}
    if held_out is None:
        closest, reference, figures = nearest(generated.images, training.images, **search), None, None
    else:
        figures, closest, reference = memorisation(generated.images, training.images, held_out.images, **search)
    bars.stop()
    _write(options, generated, training, closest, reference, figures)
    console.print(_table(closest, figures))
    if figures is None:
        console.print("Without held-out images (--held-out) there is nothing to compare these distances with.")
    console.print(f"Written: {options.out}{os.sep}", markup=False)


def _real(options: argparse.Namespace, size: int, bars: ProgressBar) -> tuple[ImageCollection, ImageCollection | None]:
    """Training images and held-out ones, from two collections or from one galaxy set that is split."""
    training = load_side("training", options.training, size, None, bars)
    if options.held_out is None:
        return training, None
    try:
        count: int | float = float(options.held_out) if "." in options.held_out else int(options.held_out)
    except ValueError:
        return training, load_side("held-out", options.held_out, size, None, bars)
    from gan.data import GalaxySet

    if not (Path(options.training) / "manifest.json").is_file():
        raise CollectionError(f"--held-out {options.held_out} splits a galaxy set, and {options.training} is none")
    split = GalaxySet.open(options.training).split(count, options.split_seed)
    if not len(split[1]):
        raise CollectionError(f"--held-out {options.held_out} holds no image out: expected 1 or more")
    parts = [
        ImageCollection(training.source, training.images[rows], [training.ids[row] for row in rows]) for rows in split
    ]
    return parts[0], parts[1]


def _table(closest: Nearest, figures: Memorisation | None) -> Table:
    table = Table(title="Nearest training image", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("without memorisation", justify="right")
    table.add_row("median distance of generated images, DN", f"{np.median(closest.distance):.2f}", "")
    if figures is None:
        return table
    error = 1.96 * figures.in_training_error
    rows = [
        ("median distance of held-out images, DN", f"{figures.median_held_out:.2f}", ""),
        ("generated closer than held-out", f"{figures.share:.1%}", "50%"),
        ("generated closer than 99% of held-out", f"{figures.share_1pct:.1%}", "1%"),
        (
            "nearest real image is a training image",
            f"{figures.in_training:.1%}",
            f"{figures.in_training_expected:.1%} ± {error:.1%}",
        ),
        ("centre identical to a training image's", f"{figures.identical:,}", "0"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def _write(
    options: argparse.Namespace,
    generated: ImageCollection,
    training: ImageCollection,
    closest: Nearest,
    reference: Nearest | None,
    figures: Memorisation | None,
) -> None:
    from eval.plots.distributions import save_figure
    from eval.plots.nearest import distance_figure, match_figure

    rows = pd.DataFrame(
        {
            "id": [str(name) for name in generated.ids],
            "training_id": [str(training.ids[index]) for index in closest.index],
            "flip": [FLIPS[flip] for flip in closest.flip],
            "distance": closest.distance,
        }
    )
    summary: dict[str, Any] = {
        "generated": generated.source,
        "training": training.source,
        "crop": options.crop,
        "image_shape": list(generated.images.shape[1:]),
        "skipped": {"generated": generated.skipped, "training": training.skipped},
        "memorisation": None if figures is None else dataclasses.asdict(figures),
    }
    match = match_figure(generated.images, training.images, closest, crop=options.crop, seed=options.seed)
    write_bytes(options.out / "closest.parquet", rows.to_parquet(index=False))
    save_figure(match, options.out / "closest_match.png")
    if figures is not None and reference is not None:
        save_figure(distance_figure(closest, reference, figures), options.out / "closest_distances.png")
    else:
        (options.out / "closest_distances.png").unlink(missing_ok=True)
    write_bytes(options.out / "closest.json", (json.dumps(summary, indent=2) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
