"""Train a small network on galaxies whose features a perceptual loss can compare: no download, no labels needed.

    python -m gan.enhance.features SET --out features.pt [--task instance|rotation|labels] [--column NAME]

SET is a galaxy set or a pair set (whose targets are taken). The accuracy on held-out galaxies is printed beside chance:
a network that is no better than chance has learnt nothing that is worth comparing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.command import run_command
from common.errors import EXIT_OK, FieldError, InputError
from common.progress import ProgressBar

if TYPE_CHECKING:
    from gan.enhance.training.feature_training import TaskName


def parser() -> argparse.ArgumentParser:
    """The command line."""
    summary, _, more = __doc__.strip().split("\n\n")
    command = argparse.ArgumentParser(
        prog="python -m gan.enhance.features",
        description=summary,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("set", type=Path, metavar="SET", help="a galaxy set or a pair set")
    command.add_argument("--out", type=Path, required=True, help="file to write")
    command.add_argument(
        "--task",
        choices=("instance", "rotation", "labels"),
        help="what to learn (default: labels where --column is given, otherwise instance)",
    )
    command.add_argument("--column", help="column of the index that holds classes; rows without one are left out")
    command.add_argument("--size", type=int, help="side of the images of a galaxy set (default: the largest)")
    command.add_argument("--width", type=int, default=16, help="channels at full resolution (default: %(default)s)")
    command.add_argument("--levels", type=int, default=4, help="resolutions (default: %(default)s)")
    command.add_argument("--epochs", type=int, default=20, help="(default: %(default)s)")
    command.add_argument("--batch-size", type=int, default=64, help="(default: %(default)s)")
    command.add_argument("--lr", type=float, default=1.0e-3, help="first learning rate (default: %(default)s)")
    command.add_argument("--held-out", type=float, default=0.1, help="share to measure on (default: %(default)s)")
    command.add_argument("--limit", type=int, help="take at most this many images, evenly spread")
    command.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    command.add_argument("--device", help="cpu or cuda (default: a GPU when there is one)")
    command.add_argument("--quiet", action="store_true", help="no progress")
    return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 wrong input, 130 interrupted)."""
    return run_command(parser(), arguments, _run)


def _run(options: argparse.Namespace) -> int:
    try:
        _train(options)
    except OSError as error:
        raise InputError(str(error)) from None
    return EXIT_OK


def _train(options: argparse.Namespace) -> None:
    from gan.enhance.models.feature_network import FeatureConfig, save_features
    from gan.enhance.training.feature_training import FeatureTraining, train_features

    task: TaskName = options.task or ("labels" if options.column else "instance")
    training = FeatureTraining(
        task=task,
        epochs=options.epochs,
        batch_size=options.batch_size,
        lr=options.lr,
        held_out=options.held_out,
        seed=options.seed,
    )
    model = FeatureConfig(width=options.width, levels=options.levels)
    _require_writable(options.out)
    images, classes, names, content = _read(options, task)
    with ProgressBar(quiet=options.quiet, unit="epochs") as bar:
        result = train_features(
            images,
            model,
            training,
            classes=classes,
            device=options.device,
            progress=lambda epoch, loss: bar.update("training", epoch, options.epochs, f"loss {loss:.4f}"),
        )
    facts = {
        "task": task,
        "classes": names,
        "images": len(images),
        "size": int(images.shape[1]),
        "content_hash": content,
        "accuracy": result.accuracy,
        "chance": result.chance,
        "epochs": options.epochs,
        "seed": options.seed,
    }
    save_features(result.network, options.out, facts)
    print(
        f"{options.out}: task {task}, {len(images):,} images of {images.shape[1]} px; "
        f"right on {result.accuracy:.1%} of held-out cases, chance {result.chance:.1%}"
    )
    if result.accuracy < 1.2 * result.chance:
        print("  this is hardly better than chance: train longer, or choose another task", file=sys.stderr)


def _read(options: argparse.Namespace, task: TaskName) -> tuple[np.ndarray, np.ndarray | None, list[str] | None, str]:
    """Images, classes by number and by name (task `labels`), and the content hash of the set."""
    from gan.data import GalaxySet
    from gan.datasets.pair_set import INPUTS, PairSet

    found: GalaxySet | PairSet
    if (options.set / f"{INPUTS}.npy").is_file():
        found = PairSet.open(options.set)
        images = found.targets
    else:
        found = GalaxySet.open(options.set)
        images = found.images(options.size or found.sizes[-1])
    classes, names, rows = None, None, np.arange(len(found))
    if task == "labels":
        if options.column is None:
            raise FieldError("column", None, "a column of the index with classes (--column NAME), for the task labels")
        if options.column not in found.index.columns:
            raise FieldError("column", options.column, f"one of {', '.join(map(str, found.index.columns))}")
        column = found.index[options.column]
        rows = np.flatnonzero((column.notna() & (column.astype(str) != "")).to_numpy())
    if options.limit is not None and options.limit < len(rows):
        if options.limit < 2:
            raise FieldError("limit", options.limit, "2 or more")
        rows = rows[np.linspace(0, len(rows) - 1, options.limit).astype(int)]
    if task == "labels":
        classes, values = column.iloc[rows].astype(str).factorize(sort=True)
        names = [str(value) for value in values]
        if not 2 <= len(names) <= max(2, len(rows) // 2):
            raise FieldError("column", options.column, f"a column of classes; it has {len(names)} different values")
    return images if len(rows) == len(images) else images[rows], classes, names, found.content_hash


def _require_writable(path: Path) -> None:
    if path.is_dir():
        raise FieldError("out", str(path), "a file, not a folder")
    path.parent.mkdir(parents=True, exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
