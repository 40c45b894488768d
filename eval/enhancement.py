"""Judge enhanced galaxy images against what a deeper survey saw.

    python -m eval.enhancement INPUTS PREDICTIONS TARGETS --out DIR

Each is a folder of pictures or an array, HDF5 or FITS file (see `eval.images.load`); galaxies are
paired by the stem of their file names, arrays by their order. Predictions and targets have one
size, inputs that or a fraction of it. Every figure stands beside that of the input: what doing
nothing (but bicubic enlargement) would give.

DIR then holds galaxies.parquet (one row per galaxy), detections.parquet (completeness and
contamination by magnitude), enhancement.json and enhancement.png. Exit status: 0 done, 2 the input
cannot be used, 130 interrupted (nothing is written).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from eval.cli.enhancement import run
from eval.cli.options import add_measurement_options, parser_of, run_evaluation
from eval.statistics.detections import DetectionSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    return run_evaluation(parser(), arguments, run)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command = parser_of("eval.enhancement", __doc__ or "", default_out="enhancement")
    command.add_argument("inputs", metavar="INPUTS", help="the images before enhancement")
    command.add_argument("predictions", metavar="PREDICTIONS", help="the enhanced images")
    command.add_argument("targets", metavar="TARGETS", help="what they should be")
    add_measurement_options(command)
    defaults = DetectionSettings()
    command.add_argument("--threshold", type=float, default=defaults.threshold, metavar="SIGMA",
                         help="height of a source over the sky's noise (default: %(default)s)")  # fmt: skip
    return command


if __name__ == "__main__":
    sys.exit(main())
