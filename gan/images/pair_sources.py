"""Where pairs of images come from: two folders with the same names, or a table that names both files."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.names import without_suffix
from gan.data import DataError
from gan.images.labels import read_table
from gan.images.rejections import Refused
from gan.images.sources import Entry, Pair, Read, Source, open_source

INPUT_COLUMNS, TARGET_COLUMNS, ZOOM = ("input", "inputs"), ("target", "targets"), "zoom"


@dataclass(frozen=True)
class PairSource(Source):
    """Pairs of files.

    Attributes
    ----------
    path : Path
        Folder of the inputs, or the table.
    rows : list of (name, input, target, zoom)
        Name of each pair, its files relative to the folders ("" where there is none), and its known scale or NaN.
    folders : tuple of Path
        Of the inputs and of the targets.
    columns : dict
        Further columns of the table.
    """

    rows: list[tuple[str, str, str, float]] = field(default_factory=list)
    folders: tuple[Path, Path] = (Path(), Path())
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    kind = "pairs"

    def entries(self, *, skip: Path | None = None) -> list[Entry]:
        """All pairs; the stamp is that of both files."""
        return [
            Entry(name, f"{self._stamp(0, first)} {self._stamp(1, second)} {zoom}", place)
            for place, (name, first, second, zoom) in enumerate(self.rows)
        ]

    @contextlib.contextmanager
    def reader(self) -> Iterator[Read]:
        """See `Source.reader`."""
        sides = [Source(folder) for folder in self.folders]

        def read(entry: Entry) -> Pair:
            _, *names, zoom = self.rows[entry.place]
            contents = []
            for side, source, name in zip(("input", "target"), sides, names, strict=True):
                if not name:
                    raise Refused("no-counterpart", f"no {side} of this name")
                try:
                    contents.append(source.read_file(Entry(str(name), "")))
                except Refused as refused:
                    raise Refused(refused.reason, f"{side}: {refused.detail}") from None
            return Pair(contents[0], contents[1], float(zoom))

        yield read

    def labels(self) -> dict[str, np.ndarray]:
        """The table's further columns."""
        return self.columns

    def _stamp(self, side: int, name: str) -> str:
        if not name:
            return "none"
        try:
            status = os.stat(self.folders[side] / name)
        except OSError:
            return "gone"
        return f"{status.st_size}-{status.st_mtime_ns}"


def open_folders(inputs: str | os.PathLike[str], targets: str | os.PathLike[str]) -> PairSource:
    """The pairs of two folders: files of the same path but for the suffix; others are refused in their turn.

    Raises
    ------
    DataError
        A folder cannot be read, or they have no name in common.
    """
    sides = []
    for given in (inputs, targets):
        source = open_source(given)
        if source.kind != "folder":
            raise DataError(f"--pairs {given}: expected two folders, or one table of file pairs (.csv, .tsv, .parquet)")
        sides.append((source.path, _by_stem(source.entries(), source.path)))
    (first, of_first), (second, of_second) = sides
    if not of_first.keys() & of_second.keys():
        examples = ", ".join(f"{next(iter(of), 'nothing')!r} in {path}" for path, of in sides)
        raise DataError(f"no file name is in both folders ({examples}): expected files of the same names")
    names = sorted(of_first.keys() | of_second.keys())
    rows = [(of_first.get(name) or of_second[name], of_first.get(name, ""), of_second.get(name, ""), math.nan)
            for name in names]  # fmt: skip
    return PairSource(first, f"targets {second}", rows, (first, second))


def open_pair_table(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    columns: tuple[str, str] | None = None,
    zoom: str | None = None,
) -> PairSource:
    """The pairs that a table names.

    Parameters
    ----------
    path : path-like
        CSV, TSV or parquet.
    root : path-like, optional
        Folder that its file names are relative to; default the table's.
    columns : tuple of str, optional
        Its columns of inputs and of targets; default `input` and `target`.
    zoom : str, optional
        Its column of scales, pixels of the input that one pixel of the target spans; default `zoom` where there is one.

    Raises
    ------
    DataError
        The table cannot be read, or has no such column.
    """
    path = Path(path).expanduser().resolve()
    table = read_table(path, what="TABLE")
    first, second = columns or (_column(table, INPUT_COLUMNS), _column(table, TARGET_COLUMNS))
    for name in (first, second, *([zoom] if zoom else [])):
        if name not in table.columns:
            have = ", ".join(map(str, table.columns))
            raise DataError(
                f"{path} has no column {name!r}; it has {have} (--columns INPUT TARGET, --zoom-column NAME)"
            )
    zoom = zoom or (ZOOM if ZOOM in table.columns else None)
    folder = path.parent if root is None else Path(root).expanduser().resolve()
    if not folder.is_dir():
        raise DataError(f"--root {folder} is not a folder")
    scales = [math.nan] * len(table) if zoom is None else [_scale(path, zoom, value) for value in table[zoom]]
    names: dict[str, int] = {}
    rows = []
    for place, (one, other) in enumerate(zip(table[first], table[second], strict=True)):
        files = ["" if value is None or value != value else str(value) for value in (one, other)]
        name = files[0] or files[1] or f"row {place + 1}"
        names[name] = names.get(name, 0) + 1
        rows.append((name if names[name] == 1 else f"{name}#{place + 1}", *files, scales[place]))
    others = {str(c): table[c].to_numpy() for c in table.columns if c not in (first, second, zoom)}
    return PairSource(path, f"{first} {second} {zoom or ''}".strip(), rows, (folder, folder), others)  # type: ignore[arg-type]


def _by_stem(entries: list[Entry], folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        name = without_suffix(entry.name)
        if name in found:
            raise DataError(f"{folder} has both {found[name]} and {entry.name}: expected one file of each name")
        found[name] = entry.name
    return found


def _column(table: Any, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in table.columns), names[0])


def _scale(path: Path, column: str, value: Any) -> float:
    try:
        scale = float(value)
    except (TypeError, ValueError):
        scale = -1.0
    if math.isnan(scale):
        return math.nan
    if not 0.05 <= scale <= 20:
        raise DataError(f"{path}: {column} = {value!r}: expected a scale from 0.05 to 20, or nothing")
    return scale
