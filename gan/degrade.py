"""Pairs from deep images alone: `python -m gan.degrade DEEP --out DIR`.

DEEP is anything that gan.prepare takes. Each image becomes a target, and its input is what a shallower survey would
have seen of it: worse seeing, coarser pixels, more noise, drawn for every image from the distributions below (defaults:
SDSS under DECaLS, with sources in `gan.images.degradation`). The same seed gives the same pairs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gan.data import DataError, read_manifest
from gan.datasets.pair_set import PAIR_SET, SCALES, PairSet, write_pairs
from gan.images.degradation import RECIPE, DegradeSettings, degraded

if TYPE_CHECKING:
    from gan.images.sources import Source
    from gan.preparation.makers import Maker

SYNTHETIC = replace(
    DegradeSettings(),
    deep_seeing=(1.35, 0.1),
    seeing=(2.2, 0.1),
    depth_loss=(1.5, 0.2),
    field=(72.0, 0.4),
)
"""Degradation of synthetic galaxies, whose frames and seeing are those of `gan.datasets.synthetic_population`."""


def synthetic_pairs(path: str | os.PathLike[str], n: int, *, size: int = 64, scale: int = 1, seed: int = 0) -> PairSet:
    """Return the pair set of `n` synthetic galaxies at `path`: made if it is not there, else opened.

    Targets are galaxies of `gan.datasets.synthetic`, inputs the same galaxies under the worse seeing and deeper noise
    of `SYNTHETIC`. The index has the truth of `gan.datasets.synthetic.draw` (lengths in px of the targets; its seeing
    as target_seeing), what was drawn for each pair, and label, "disc" or "elliptical".

    Parameters
    ----------
    path : path-like
        The folder.
    n : int
        Number of pairs, 1 or more.
    size : int
        Side of the inputs, px.
    scale : int
        Side of the targets in units of that of the inputs, 1 or 2.
    seed : int
        Of galaxies and degradations, 0 or more.

    Returns
    -------
    PairSet

    Raises
    ------
    DataError
        If a number is out of range, or `path` holds something else or cannot be written.
    """
    if scale not in SCALES:
        raise DataError(f"scale = {scale}: expected one of {', '.join(map(str, SCALES))}")
    path = Path(path)
    source = {"kind": "synthetic", "recipe": RECIPE, "n": n, "seed": seed, "size": size, "scale": scale}
    if _is_there(path, source):
        return PairSet.open(path)
    from gan.datasets.synthetic import draw

    targets, truth = draw(n, size=size * scale, seed=seed)
    inputs = np.empty((n, size, size, 3), np.uint8)
    rows = []
    for i, (target, name) in enumerate(zip(targets, truth["id"], strict=True)):
        inputs[i], drawn = degraded(target, size, SYNTHETIC, seed=seed, name=name)
        rows.append(drawn)
    index = truth.assign(source="synthetic", label=truth["kind"], target_seeing=truth["seeing"])
    for key in rows[0]:
        index[key] = [row[key] for row in rows]
    transform = {"kind": "degraded", "seed": seed, **SYNTHETIC.as_dict()}
    try:
        return write_pairs(
            path, inputs, targets, index, about={"source": source, "transform": transform, "refused": []}
        )
    except DataError:
        if _is_there(path, source):  # another process made the same set meanwhile
            return PairSet.open(path)
        raise


def _is_there(path: Path, source: dict[str, Any]) -> bool:
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return False
    held = read_manifest(path, PAIR_SET).get("source")
    if held != source:
        raise DataError(f"{path} holds another pair set (source {held}); choose another folder")
    return True


SPREADS = {
    "seeing": "FWHM of the inputs, arcsec, and scatter of its logarithm",
    "deep_seeing": "FWHM of the targets, arcsec, and scatter of its logarithm",
    "depth_loss": "magnitudes that the inputs are shallower by, and scatter",
    "field": "width of the frame, arcsec, and scatter of its logarithm",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from gan.prepare import add_common_options, add_pair_options

    p = argparse.ArgumentParser(prog="python -m gan.degrade", description=(__doc__ or "").split("\n", 2)[2])
    p.add_argument("source", metavar="DEEP", help="folder, zip, npy, npz, HDF5, FITS or image file of deep images")
    add_common_options(p, default_filter="lanczos")
    add_pair_options(p)
    drawn = p.add_argument_group("what is drawn for each image (median and scatter)")
    defaults = DegradeSettings()
    for name, words in SPREADS.items():
        drawn.add_argument(f"--{name.replace('_', '-')}", type=float, nargs=2, default=list(getattr(defaults, name)),
                           metavar=("M", "S"), help=f"{words}; default: %(default)s")  # fmt: skip
    drawn.add_argument(
        "--pixel", type=float, default=defaults.pixel, help="of the inputs, arcsec; default: %(default)s"
    )
    drawn.add_argument("--softening", type=float, default=defaults.softening,
                       help="of the images' arcsinh stretch; default: %(default)s")  # fmt: skip
    drawn.add_argument("--seed", type=int, default=0, help="default: 0")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 wrong input, 130 interrupted)."""
    from gan.prepare import make_set

    return make_set(parser(), arguments, _asked)


def _asked(options: argparse.Namespace) -> tuple[Source, Maker]:
    from gan.images.sources import open_source
    from gan.preparation.pair_makers import DegradedPairs
    from gan.prepare import decode_settings, single_size

    size = single_size(options)
    maker = DegradedPairs(
        decode_settings(options, (size,)),
        size=size,
        scale=options.scale,
        degradation=DegradeSettings(**{f.name: getattr(options, f.name) for f in fields(DegradeSettings)}),
        seed=options.seed,
    )
    return open_source(options.source, key=options.key), maker


if __name__ == "__main__":
    sys.exit(main())
