"""Pairs by sky position: `python -m gan.pairs TABLE --out DIR`.

TABLE (CSV, TSV or parquet) has the columns ra and dec (deg, ICRS), and as it likes size (width of the frame, arcsec),
id, label, and others. For every row the hips2fits service of the CDS is asked for the same frame in two surveys: SDSS
as input, the Legacy Surveys as target. DIR then holds inputs/ and targets/ (as they came), pairs.csv, download.json
(settings and the rows refused, with reasons) and set/, the pair set. Interrupted and run again, it goes on.

When the images are published, acknowledge hips2fits (CDS, Strasbourg), SDSS and the Legacy Surveys.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.atomic import atomic_path, write_bytes, write_json
from common.command import repeat, run_command
from common.errors import EXIT_OK, require
from common.progress import ProgressBar
from gan.data import DataError
from gan.datasets.pair_set import SCALES
from gan.images.hips2fits import SERVER, Service, Unreachable
from gan.images.labels import read_table
from gan.images.rejections import REASONS, Refused

if TYPE_CHECKING:
    import pandas as pd

INPUT_SURVEY, TARGET_SURVEY = "CDS/P/SDSS9/color", "CDS/P/DESI-Legacy-Surveys/DR10/color"
LEDGER = "download.json"
STOP_AFTER = 3  # rows in a row that the service does not answer
LARGEST_FIELD = 3600.0  # arcsec
SAVE_EVERY = 20  # rows
INTERRUPTED = "interrupted; what was fetched is kept: run the same command again to go on:"


@dataclass(frozen=True)
class Frame:
    """One row: its file name without suffix, centre (deg), width (arcsec), row of the table."""

    name: str
    ra: float
    dec: float
    field: float
    row: int


class Download:
    """Cutouts of the rows of a table, kept in a folder as they come.

    Parameters
    ----------
    out : Path
        The folder.
    settings : dict
        surveys, size, scale, field: what the cutouts depend on. A folder of others is refused.

    Raises
    ------
    DataError
        The folder holds a download with other settings, or cannot be written.
    """

    def __init__(self, out: Path, settings: dict[str, Any]):
        self.out, self.settings = out, settings
        self.refused: dict[str, tuple[str, str]] = {}
        try:
            for side in ("inputs", "targets"):
                (out / side).mkdir(parents=True, exist_ok=True)
            held = json.loads((out / LEDGER).read_text(encoding="utf-8")) if (out / LEDGER).exists() else None
        except (OSError, ValueError) as error:
            raise DataError(f"--out {out} cannot be used: {error}") from None
        if held is not None:
            if held.get("settings") != settings:
                raise DataError(
                    f"--out {out} holds a download with other settings ({held.get('settings')}); choose another"
                )
            self.refused = {name: (reason, detail) for name, reason, detail in held.get("refused", [])}
        self.save()

    def path(self, side: str, frame: Frame) -> Path:
        """File of one cutout."""
        return self.out / side / f"{frame.name}.jpg"

    def save(self) -> None:
        """Write the ledger."""
        listed = [[name, reason, detail] for name, (reason, detail) in self.refused.items()]
        try:
            write_json(self.out / LEDGER, {"settings": self.settings, "refused": listed})
        except OSError as error:
            raise DataError(f"--out {self.out} cannot be written: {error.strerror or error}") from None

    def is_done(self, frame: Frame) -> bool:
        """Whether both cutouts of a row are here."""
        return all(self.path(side, frame).exists() for side in ("inputs", "targets"))

    def fetch(self, frame: Frame, service: Service) -> None:
        """Get what is missing of a row.

        Parameters
        ----------
        frame : Frame
            The row.
        service : Service
            Where cutouts come from.

        Raises
        ------
        Refused
            The service rejects the request, or a survey does not cover the frame.
        Unreachable
            The service gave no usable answer.
        OSError
            A cutout cannot be written.
        """
        sizes = {"inputs": self.settings["size"], "targets": self.settings["size"] * self.settings["scale"]}
        for (side, pixels), survey in zip(sizes.items(), self.settings["surveys"], strict=True):
            path = self.path(side, frame)
            if path.exists():
                continue
            try:
                content = service.cutout(survey, frame.ra, frame.dec, frame.field, pixels)
            except Refused as refused:
                raise Refused(refused.reason, f"{survey}: {refused.detail}") from None
            write_bytes(path, content)

    def run(self, frames: list[Frame], service: Service, progress: Callable[[int, int, int], None]) -> None:
        """Get all rows; a row that cannot be had is refused and the next one tried.

        Parameters
        ----------
        frames : list of Frame
            From `frames_of`.
        service : Service
            Where cutouts come from.
        progress : callable
            Called with (rows done, rows in all, rows refused).

        Raises
        ------
        Unreachable
            Several rows one after another had no answer; what is here is kept.
        """
        silent = 0
        try:
            for number, frame in enumerate(frames):
                progress(number, len(frames), len(self.refused))
                if self.is_done(frame) or frame.name in self.refused:
                    continue
                try:
                    self.fetch(frame, service)
                    silent = 0
                except Refused as refused:
                    self.refused[frame.name] = (refused.reason, refused.detail)
                except Unreachable as error:
                    silent += 1
                    if silent == STOP_AFTER:
                        raise Unreachable(f"{service.server}: {error}") from None
                except OSError as error:
                    raise DataError(f"--out {self.out} cannot be written: {error.strerror or error}") from None
                if number % SAVE_EVERY == 0:
                    self.save()
            progress(len(frames), len(frames), len(self.refused))
        finally:
            self.save()

    def table(self, frames: list[Frame], rows: pd.DataFrame) -> pd.DataFrame:
        """The table of the pairs that are here, with all columns that they came with."""
        done = [frame for frame in frames if self.is_done(frame)]
        chosen = rows.iloc[[frame.row for frame in done]].reset_index(drop=True)
        chosen = chosen.drop(columns=["input", "target", "zoom"], errors="ignore")
        chosen.insert(0, "input", [f"inputs/{frame.name}.jpg" for frame in done])
        chosen.insert(1, "target", [f"targets/{frame.name}.jpg" for frame in done])
        return chosen.rename(columns={"id": "table_id"})


def frames_of(rows: pd.DataFrame, path: Path, field: float) -> tuple[list[Frame], dict[str, tuple[str, str]]]:
    """The frames that a table asks for, and the rows that cannot be asked for, with reasons.

    Raises
    ------
    DataError
        It has no columns ra and dec.
    """
    columns = {str(name).lower(): name for name in rows.columns}
    for name in ("ra", "dec"):
        if name not in columns:
            have = ", ".join(map(str, rows.columns))
            raise DataError(f"{path} has no column {name!r}; it has {have}. Expected ra and dec in degrees (ICRS)")
    frames, bad = [], {}
    seen: set[str] = set()
    for row, record in enumerate(rows.to_dict("records")):
        numbers = []
        for name, otherwise in (("ra", None), ("dec", None), ("size", field)):
            value = record.get(columns.get(name, name), otherwise)
            with contextlib.suppress(TypeError, ValueError):
                value = float(value) if value is not None else float("nan")
            numbers.append(value if isinstance(value, float) else float("nan"))
        ra, dec, width = numbers
        if "size" in columns and width != width:
            width = field
        given = str(record.get(columns.get("id", "id"), "")) or f"{ra:.5f}{dec:+.5f}"
        if not (0 <= ra < 360 and -90 <= dec <= 90 and 0 < width <= LARGEST_FIELD):
            detail = (
                f"ra {record[columns['ra']]}, dec {record[columns['dec']]}, size {record.get(columns.get('size', ''))}"
            )
            bad[f"row {row + 1}"] = ("bad-position", detail)
            continue
        mark = zlib.crc32(f"{ra!r} {dec!r} {width!r}".encode())
        name = f"{re.sub(r'[^A-Za-z0-9._+-]', '_', given).lstrip('.')[:80]}_{mark:08x}"
        if name in seen:
            bad[f"row {row + 1}"] = ("duplicate-row", f"the same id and position as an earlier row ({given})")
            continue
        seen.add(name)
        frames.append(Frame(name, ra, dec, width, row))
    return frames, bad


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m gan.pairs", description=(__doc__ or "").split("\n", 2)[2])
    p.add_argument("table", metavar="TABLE", help="ra, dec (deg) and optionally size (arcsec), id, label")
    p.add_argument("--out", required=True, metavar="DIR", help="folder of the download and of the set")
    p.add_argument("--size", type=int, default=224, metavar="PX", help="side of the inputs; default: %(default)s")
    p.add_argument("--scale", type=int, default=1, metavar="K", help="targets of K times the side; 1 or 2")
    p.add_argument("--field", type=float, default=90.0, metavar="ARCSEC",
                   help="width of the frame where the table gives none; default: %(default)s")  # fmt: skip
    p.add_argument("--surveys", nargs=2, default=[INPUT_SURVEY, TARGET_SURVEY], metavar=("INPUT", "TARGET"),
                   help="colour HiPS of inputs and targets; default: %(default)s")  # fmt: skip
    p.add_argument("--label", metavar="COLUMN", help="column that holds each galaxy's class; default: label")
    p.add_argument("--server", default=SERVER, metavar="URL", help="default: %(default)s")
    p.add_argument("--rate", type=float, default=1.0, metavar="N", help="requests per second at most; default: 1")
    p.add_argument("--tries", type=int, default=5, metavar="N", help="for each request; default: %(default)s")
    p.add_argument(
        "--pause", type=float, default=2.0, metavar="S", help="before the second try, then doubled; default: 2"
    )
    p.add_argument("--timeout", type=float, default=60.0, metavar="S", help="for each request; default: 60")
    p.add_argument("--jobs", type=int, metavar="N", help="processes that make the set; default: one per core")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 1 the service is silent, 2 wrong input, 130 interrupted)."""
    this = parser()
    return run_command(this, arguments, _run, interrupted=INTERRUPTED, go_on=repeat(this), explain=_explain)


def _explain(error: BaseException) -> str | None:
    if isinstance(error, Unreachable):
        return f"no answer from {error}; what was fetched is kept: run the same command again:"
    return None


def _run(options: argparse.Namespace) -> int:
    for name, low, high in (("rate", 0.001, 50), ("tries", 1, 20), ("pause", 0, 600), ("timeout", 0.1, 3600)):
        require(low <= getattr(options, name) <= high, name, getattr(options, name), f"a number from {low} to {high}")
    require(options.scale in SCALES, "scale", options.scale, " or ".join(map(str, SCALES)))
    require(16 <= options.size <= 2048, "size", options.size, "a whole number from 16 to 2048")
    require(0 < options.field <= LARGEST_FIELD, "field", options.field, f"arcsec up to {LARGEST_FIELD:.0f}")
    require(options.server.startswith(("http://", "https://")), "server", options.server, "an http or https address")
    table = Path(options.table)
    rows = read_table(table, what="TABLE")
    frames, bad = frames_of(rows, table, options.field)
    if not frames:
        raise DataError(f"{table} has no row that can be asked for, such as {next(iter(bad.items()), 'none')}")
    settings = {"surveys": options.surveys, "size": options.size, "scale": options.scale}
    download = Download(Path(options.out), settings)
    service = Service(options.server, options.rate, options.tries, options.pause, options.timeout)
    with ProgressBar(quiet=options.quiet, unit="rows") as bar:
        download.run(
            frames, service, lambda done, total, refused: bar.update("fetching", done, total, f"{refused:,} refused")
        )
    made = download.table(frames, rows)
    missing = [frame.name for frame in frames if not download.is_done(frame) and frame.name not in download.refused]
    _report(frames, made, {**bad, **download.refused, **{n: ("unanswered", "run again to try again") for n in missing}})
    if made.empty:
        raise DataError(f"no pair could be had of the {len(rows):,} rows of {table}; {download.out / LEDGER} says why")
    _make_set(download.out, made, options)
    return EXIT_OK


def _report(frames: list[Frame], made: pd.DataFrame, refused: dict[str, tuple[str, str]]) -> None:
    print(f"{len(made):,} pairs of {len(frames):,} positions")
    for name, (reason, detail) in refused.items():
        print(f"  refused {name}: {reason}: {detail}")
    if refused:
        counts = Counter(reason for reason, _ in refused.values())
        print("  " + ", ".join(f"{count:,} {reason} ({REASONS[reason]})" for reason, count in counts.most_common()))


def _make_set(out: Path, made: pd.DataFrame, options: argparse.Namespace) -> None:
    from gan.images.decode_settings import DecodeSettings
    from gan.images.pair_sources import open_pair_table
    from gan.preparation.pair_makers import RegisteredPairs
    from gan.preparation.run import prepare
    from gan.prepare import report

    with atomic_path(out / "pairs.csv") as partial:
        made.to_csv(partial, index=False)
    maker = RegisteredPairs(
        DecodeSettings(sizes=(options.size,), filter="lanczos"),
        size=options.size,
        scale=options.scale,
        registration="none",
    )
    label = options.label or ("label" if "label" in made.columns else None)
    report(prepare(open_pair_table(out / "pairs.csv"), out / "set", maker=maker, jobs=options.jobs, label=label))


if __name__ == "__main__":
    sys.exit(main())
