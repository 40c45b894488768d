"""Make a galaxy set: `python -m gan.prepare SOURCE --out DIR`.

SOURCE is a folder (searched recursively) or a zip archive of JPEG, PNG, TIFF, BMP, WebP, GIF, PPM or FITS files; an
.npy, .npz or HDF5 file of (N, H, W, 3) images; or one file. Files that cannot be used are refused one by one, with the
reason in manifest.json and on the screen. It can be interrupted and run again: what was done is not done again.

With --pairs SOURCE is two folders, INPUTS TARGETS, or a table of file pairs: the same galaxies in a shallow and in a
deep survey, laid on one grid.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from common.command import repeat, run_command
from common.errors import EXIT_OK, FieldError, require
from common.progress import ProgressBar
from gan.data import DataError
from gan.images.decode_settings import FILTERS, DecodeSettings
from gan.images.rejections import REASONS
from gan.images.sources import Source, open_source
from gan.preparation.makers import Maker
from gan.preparation.run import Summary, prepare

DEFAULTS = DecodeSettings()
PAIR_SIZE = 128
INTERRUPTED = "interrupted; what was done is kept: run the same command again to go on:"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m gan.prepare", description=(__doc__ or "").split("\n", 2)[2])
    p.add_argument("source", metavar="SOURCE", nargs="+",
                   help="folder, zip, array, FITS or image file; with --pairs two folders, or a table")  # fmt: skip
    add_common_options(p, default_filter=DEFAULTS.filter)
    pairs = add_pair_options(p)
    pairs.add_argument("--pairs", action="store_true",
                       help="make a pair set of two folders, INPUTS TARGETS, or of a table of files")  # fmt: skip
    pairs.add_argument("--root", metavar="DIR", help="folder of the files that the table names; default: the table's")
    pairs.add_argument("--columns", nargs=2, metavar=("INPUT", "TARGET"),
                       help="the table's columns of files; default: input target")  # fmt: skip
    pairs.add_argument("--zoom-column", metavar="COLUMN",
                       help="its column of scales, input px per target px; default: zoom, or search")  # fmt: skip
    pairs.add_argument("--register", choices=("search", "none"), default="search",
                       help="find scale and shift, or trust that both show one frame; default: search")  # fmt: skip
    pairs.add_argument("--min-correlation", type=float, default=0.5, metavar="R",
                       help="of registered pairs, else refused; default: 0.5")  # fmt: skip
    return p


def add_common_options(p: argparse.ArgumentParser, *, default_filter: str) -> None:
    """Add what all makers of sets take."""
    p.add_argument("--out", required=True, metavar="DIR", help="folder of the set")
    p.add_argument("--sizes", type=int, nargs="+", metavar="PX", help="default: 64 128; pairs have one size, 128")
    p.add_argument(
        "--filter", default=default_filter, help=f"{', '.join(FILTERS)}; default: {default_filter}, pairs: lanczos"
    )
    p.add_argument("--jobs", type=int, metavar="N", help="processes; default: one per core")
    p.add_argument("--replace", action="store_true", help="make it anew where DIR holds another set")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    labels = p.add_argument_group("labels")
    labels.add_argument("--table", metavar="FILE", help="CSV, TSV or parquet whose columns are added to the index")
    labels.add_argument("--table-key", metavar="COLUMN", help="its column of file names or ids; default: found")
    labels.add_argument("--label", metavar="COLUMN", help="column that holds each galaxy's class")
    accept = p.add_argument_group("what is accepted")
    accept.add_argument("--crop", action="store_true", help="take the central square of images that are not square")
    accept.add_argument("--greyscale", action="store_true", help="take 8-bit greyscale as three equal bands")
    accept.add_argument("--max-pixels", type=int, default=DEFAULTS.max_pixels, metavar="N", help="default: %(default)s")
    accept.add_argument("--time-limit", type=float, default=60.0, metavar="S", help="per image, seconds; default: 60")
    arrays = p.add_argument_group("arrays and FITS cubes")
    arrays.add_argument("--key", help="dataset of an HDF5 or npz file; default: the only one that holds images")
    arrays.add_argument("--bands", type=int, nargs=3, default=list(DEFAULTS.bands), metavar=("R", "G", "B"),
                        help="planes of a cube shown as red, green, blue; default: 2 1 0")  # fmt: skip
    arrays.add_argument("--band-scale", type=float, nargs=3, default=list(DEFAULTS.band_scale), metavar=("R", "G", "B"),
                        help="factors on them; default: 1 1 1 (DECaLS grz: 0.65 1 1.76)")  # fmt: skip
    arrays.add_argument("--stretch", type=float, default=DEFAULTS.lupton_stretch, help="Lupton stretch; default: 0.1")
    arrays.add_argument("--q", type=float, default=DEFAULTS.lupton_q, help="Lupton Q; default: 8")
    arrays.add_argument("--minimum", type=float, default=DEFAULTS.lupton_minimum, help="shown as black; default: 0")
    arrays.add_argument("--max-bad-pixels", type=float, default=DEFAULTS.max_bad_pixels, metavar="SHARE",
                        help="of pixels without data; default: 0.01")  # fmt: skip


def add_pair_options(p: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add what pair sets take, and return its group."""
    pairs = p.add_argument_group("pairs")
    pairs.add_argument("--scale", type=int, default=1, metavar="K", help="targets of K times the side; 1 or 2")
    return pairs


def decode_settings(options: argparse.Namespace, sizes: tuple[int, ...]) -> DecodeSettings:
    """Return the settings that the command line asks for.

    Parameters
    ----------
    options : Namespace
        With those of `add_common_options`.
    sizes : tuple of int
        Sides of the images, px.

    Raises
    ------
    FieldError
        A value cannot work.
    """
    return DecodeSettings(
        sizes=sizes,
        filter=options.filter,
        crop=options.crop,
        greyscale=options.greyscale,
        max_pixels=options.max_pixels,
        bands=tuple(options.bands),
        band_scale=tuple(options.band_scale),
        lupton_stretch=options.stretch,
        lupton_q=options.q,
        lupton_minimum=options.minimum,
        max_bad_pixels=options.max_bad_pixels,
    )


def single_size(options: argparse.Namespace) -> int:
    """Return the one size of a pair set, px; raises `FieldError` where the options have several."""
    sizes = options.sizes or [PAIR_SIZE]
    if len(sizes) != 1:
        raise FieldError("sizes", sizes, "one size: a pair set has one (and --scale for its targets)")
    return sizes[0]


def report(summary: Summary) -> None:
    """Print what was done and what was refused."""
    where = f"{summary.out}: {summary.images:,} images of {summary.files:,} files"
    if summary.state == "unchanged":
        print(f"{where}; source and settings are unchanged: nothing to do")
    else:
        rate = f", {summary.decoded / summary.seconds:,.0f} files/s" if summary.decoded else ""
        print(f"{where}, {summary.state} in {summary.seconds:.1f} s{rate}")
    for note in summary.notes:
        print(f"  {note}")
    if summary.refused:
        print(f"  {sum(summary.refused.values()):,} files refused (all of them are listed in manifest.json):")
        width = max(len(reason) for reason in summary.refused)
        for reason, count in summary.refused.items():
            print(f"  {reason:{width}}  {count:>7,}  {REASONS[reason]}")
            for file, detail in summary.examples.get(reason, [])[:1]:
                print(f"  {'':{width}}           such as {file}: {detail}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 2 wrong input, 130 interrupted)."""
    return make_set(parser(), arguments, _asked)


def make_set(
    this: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    asked: Callable[[argparse.Namespace], tuple[Source, Maker]],
) -> int:
    """Run a command that makes a set: under a progress bar, with a report of what was done and refused.

    Parameters
    ----------
    this : ArgumentParser
        With the options of `add_common_options`.
    arguments : sequence of str or None
        None: those of this process.
    asked : callable
        From the options to the source and what is made of its entries; raises `InputError`.

    Returns
    -------
    int
        The exit code (0 done, 2 wrong input, 130 interrupted).
    """

    def run(options: argparse.Namespace) -> int:
        require(options.jobs is None or options.jobs >= 1, "jobs", options.jobs, "1 or more")
        source, maker = asked(options)
        with ProgressBar(quiet=options.quiet) as bar:
            summary = prepare(
                source,
                options.out,
                maker=maker,
                jobs=options.jobs,
                table=options.table,
                table_key=options.table_key,
                label=options.label,
                replace=options.replace,
                progress=lambda done, total, refused: bar.update("preparing", done, total, f"{refused:,} refused"),
                time_limit=options.time_limit,
            )
        report(summary)
        return EXIT_OK

    return run_command(this, arguments, run, interrupted=INTERRUPTED, go_on=repeat(this))


def _asked(options: argparse.Namespace) -> tuple[Source, Maker]:
    """The source and what is to be made of it."""
    if options.pairs:
        return _pairs_asked(options)
    if len(options.source) != 1:
        raise DataError(f"one SOURCE expected, not {len(options.source)} (--pairs takes two folders)")
    settings = decode_settings(options, tuple(options.sizes or DEFAULTS.sizes))
    return open_source(options.source[0], key=options.key), Maker(settings)


def _pairs_asked(options: argparse.Namespace) -> tuple[Source, Maker]:
    from gan.images.pair_sources import open_folders, open_pair_table
    from gan.preparation.pair_makers import RegisteredPairs

    size = single_size(options)
    maker = RegisteredPairs(
        replace(decode_settings(options, (size,)), filter="lanczos"),
        size=size,
        scale=options.scale,
        registration=options.register,
        least_correlation=options.min_correlation,
    )
    if len(options.source) == 2:
        return open_folders(*options.source), maker
    if len(options.source) == 1 and not os.path.isdir(options.source[0]):
        columns = tuple(options.columns) if options.columns else None
        table = open_pair_table(options.source[0], root=options.root, columns=columns, zoom=options.zoom_column)
        return table, maker
    raise DataError("--pairs takes two folders, INPUTS TARGETS, or one table of file pairs (.csv, .tsv, .parquet)")


if __name__ == "__main__":
    sys.exit(main())
