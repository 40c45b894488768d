"""Make a galaxy set: `python -m gan.prepare SOURCE --out DIR`.

SOURCE is a folder (searched recursively) or a zip archive of JPEG, PNG, TIFF, BMP, WebP, GIF, PPM or FITS files; an
.npy, .npz or HDF5 file of (N, H, W, 3) images; or one file. Files that cannot be used are refused one by one, with the
reason in manifest.json and on the screen. It can be interrupted and run again: what was done is not done again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from gan.config import FieldError
from gan.data import DataError
from gan.decode_settings import FILTERS, DecodeSettings
from gan.prepare_run import Summary, prepare
from gan.refusals import REASONS
from gan.sources import open_source

DEFAULTS = DecodeSettings()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m gan.prepare", description=(__doc__ or "").split("\n", 2)[2])
    p.add_argument("source", metavar="SOURCE", help="folder, zip, npy, npz, HDF5, FITS or image file")
    p.add_argument("--out", required=True, metavar="DIR", help="folder of the galaxy set")
    p.add_argument("--sizes", type=int, nargs="+", default=list(DEFAULTS.sizes), metavar="PX", help="default: 64 128")
    p.add_argument("--filter", default=DEFAULTS.filter, help=f"{', '.join(FILTERS)}; default, as in the paper: nearest")
    p.add_argument("--jobs", type=int, metavar="N", help="processes; default: one per core")
    p.add_argument("--replace", action="store_true", help="make it anew where DIR holds another set")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    labels = p.add_argument_group("labels")
    labels.add_argument("--table", metavar="FILE", help="CSV, TSV or parquet whose columns are added to the index")
    labels.add_argument("--table-key", metavar="COLUMN", help="its column of file names or ids; default: found")
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
    return p


def settings_of(options: argparse.Namespace) -> DecodeSettings:
    """The settings that the command line asks for; raises `FieldError`."""
    return DecodeSettings(
        sizes=tuple(options.sizes),
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


class Bar:
    """A live line: done of total, images/s, time left, refused."""

    def __init__(self, quiet: bool):
        self._quiet = quiet
        self._bar: Any = None
        self._start = (0, 0.0)

    def __call__(self, done: int, total: int, refused: int) -> None:
        """Show the progress; the first call starts the line."""
        if self._quiet:
            return
        if self._bar is None:
            self._begin(done, total)
        rate = (done - self._start[0]) / max(time.monotonic() - self._start[1], 1e-3)
        self._bar.update(self._task, completed=done, rate=f"{rate:,.0f}", refused=f"{refused:,}")

    def _begin(self, done: int, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._start = (done, time.monotonic())
        self._bar = Progress(
            TextColumn("preparing"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]} images/s"),
            TextColumn("refused {task.fields[refused]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("", total=total, rate="0", refused="0")
        self._bar.start()

    def stop(self) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.stop()


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
    options = parser().parse_args(arguments)
    bar = Bar(options.quiet)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.jobs is not None and options.jobs < 1:
            raise FieldError("jobs", options.jobs, "1 or more")
        summary = prepare(
            open_source(options.source, key=options.key),
            options.out,
            settings=settings_of(options),
            jobs=options.jobs,
            table=options.table,
            table_key=options.table_key,
            replace=options.replace,
            progress=bar,
            time_limit=options.time_limit,
        )
    except (DataError, FieldError) as error:
        bar.stop()
        print(f"gan.prepare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        bar.stop()
        print("gan.prepare: interrupted; what was done is kept: run the same command again to go on", file=sys.stderr)
        return 130
    finally:
        bar.stop()
        signal.signal(signal.SIGTERM, previous)
    report(summary)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
