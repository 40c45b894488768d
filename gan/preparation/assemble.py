"""From finished parts to a galaxy set: duplicates out, index and arrays written, all moved into place."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.names import without_suffix
from gan.data import MANIFEST, WORK, DataError, Kind, read_manifest
from gan.images.sources import Entry, Source
from gan.preparation.makers import Maker
from gan.preparation.parts import HEADER, Done, Store, rows_file

if TYPE_CHECKING:
    import pandas as pd

LEDGER = "files.parquet"  # one row per file of the source: what became of it


def choose(entries: list[Entry], store: Store) -> tuple[pd.DataFrame, pd.DataFrame, list[Done]]:
    """Decide which images are in the set: the first of duplicates is the one that stays.

    Parameters
    ----------
    entries : list of Entry
        Of the source, in order.
    store : Store
        What became of them.

    Returns
    -------
    index : DataFrame
        One row per image of the set.
    ledger : DataFrame
        One row per entry, with its row in the set or -1, and why it was refused.
    kept : list of Done
        The images of the set, in order.

    Raises
    ------
    DataError
        An entry is not in the store.
    """
    import pandas as pd

    by_bytes: dict[str, str] = {}
    by_pixels: dict[str, str] = {}
    kept: list[Done] = []
    records: list[dict[str, Any]] = []
    for entry in entries:
        done = store.get(entry)
        if done is None:
            raise DataError(f"the work on {entry.name} was lost; run the same command again")
        r = done.result
        reason, detail = r.reason, r.detail
        if not reason and r.sha256 in by_bytes:
            reason, detail = "duplicate-file", f"the same bytes as {by_bytes[r.sha256]}"
        elif not reason and r.hashes[-1] in by_pixels:
            reason, detail = "duplicate-pixels", f"the same pixels as {by_pixels[r.hashes[-1]]}"
        if not reason:
            by_bytes[r.sha256] = by_pixels[r.hashes[-1]] = entry.name
            kept.append(done)
        row = -1 if reason else len(kept) - 1
        records.append({**vars(r), "row": row, "reason": reason, "detail": detail, "hashes": " ".join(r.hashes)})
    ledger = pd.DataFrame(records)
    used = ledger[ledger["row"] >= 0].reset_index(drop=True)
    index = pd.DataFrame({"id": _ids(list(used["name"])), "source": used["name"]})
    index = index.join(used[["sha256", "width", "height", "bad_pixels"]])
    if used["about"].any():
        index = index.join(pd.DataFrame([json.loads(about or "{}") for about in used["about"]]))
    return index, ledger, kept


def _ids(names: list[str]) -> list[str]:
    """Stems where they are unique, else names without suffix, else names."""
    bare = [without_suffix(name) for name in names]
    for ids in ([name.rpartition("/")[2] for name in bare], bare):
        if len(set(ids)) == len(ids):
            return ids
    return names


def labelled(
    index: pd.DataFrame, source: Source, used: np.ndarray, table: Path | None, table_key: str | None
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Add the labels that the source itself holds, and those of a table.

    Parameters
    ----------
    index : DataFrame
        From `choose`.
    source : Source
        Of the images.
    used : ndarray, bool
        Which of its entries are in the index.
    table, table_key
        As `gan.preparation.run.prepare`.

    Returns
    -------
    index : DataFrame
    about : dict or None
        How the table was joined (`gan.images.labels.join_table`).

    Raises
    ------
    DataError
        The table does not fit.
    """
    from gan.images.labels import join_table, read_table

    for name, values in source.labels().items():
        if name not in index.columns and len(values) == len(used):
            index[name] = values[used]
    if table is None:
        return index, None
    return join_table(index, read_table(table, table_key), key=table_key)


def write_arrays(folder: Path, kept: list[Done], store: Store, maker: Maker) -> dict[str, Any]:
    """Write one .npy per array into `folder` and describe them as a manifest does.

    Where the rows of the store are the images kept, in order, its files become the arrays and no pixel is copied.

    Parameters
    ----------
    folder : Path
        On the file system of the store.
    kept : list of Done
        From `choose`.
    store : Store
        Where the pixels are.
    maker : Maker
        What made them.

    Returns
    -------
    dict
        A part of the manifest.
    """
    arrays, hashes = {}, {}
    last = store.get_pixels()
    as_they_are = all(done.row == i and done.pixels is last for i, done in enumerate(kept))
    for k, (name, size) in enumerate(store.layout.items()):
        path = folder / f"{name}.npy"
        shape = (len(kept), size, size, 3)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        if as_they_are and len(header.getvalue()) == HEADER:
            rows = rows_file(store.folder, name)
            with rows.open("r+b") as stream:
                stream.write(header.getvalue())
                stream.truncate(HEADER + int(np.prod(shape)))
            _move([rows], folder)
        else:
            with path.open("wb") as stream:
                stream.write(header.getvalue())
                for pixels, start, stop in _runs(kept):
                    stream.write(np.ascontiguousarray(pixels[k][start:stop]).data)
        arrays[name] = np.load(path, mmap_mode="r")
        hashes[name] = [bytes.fromhex(done.result.hashes[k]) for done in kept]
    return maker.describe(arrays, hashes)


def reclaim(folder: Path, rows: Path) -> None:
    """Undo what an interrupted `write_arrays` moved from `rows` to `folder`."""
    if folder.is_dir():
        _move([path for path in folder.glob("*.npy") if not (rows / path.name).exists()], rows)


def _move(paths: Iterable[Path], folder: Path) -> None:
    """Move files of one file system into `folder`, in order; a file of the same name is replaced."""
    for path in paths:
        os.replace(path, folder / path.name)


def _runs(kept: list[Done]) -> Iterator[tuple[list[Any], int, int]]:
    """Stretches of rows that follow each other in one part: (pixels, first row, row after the last)."""
    start = 0
    for i in range(1, len(kept) + 1):
        joined = i < len(kept) and kept[i].pixels is kept[i - 1].pixels and kept[i].row == kept[i - 1].row + 1
        if not joined or i - start >= 256:
            yield kept[start].pixels, kept[start].row, kept[i - 1].row + 1
            start = i


def refusals(ledger: pd.DataFrame) -> dict[str, Any]:
    """Return the part of a manifest that lists what was refused and why, from the ledger of `choose`."""
    bad = ledger[ledger["reason"] != ""]
    listed = [{"file": r.name, "reason": r.reason, "detail": r.detail} for r in bad.itertuples(index=False)]
    return {"refused": listed, "refused_counts": dict(Counter(entry["reason"] for entry in listed).most_common())}


def publish(out: Path, kind: Kind) -> None:
    """Move the files of a finished new set into place, the manifest last; nothing happens where none is ready.

    Called again after an interruption of just that, it moves the rest.

    Parameters
    ----------
    out : Path
        Folder of the set.
    kind : Kind
        Of the set.
    """
    ready = out / WORK / "publish"
    if not ready.is_dir():
        return
    _move(sorted(ready.iterdir(), key=lambda path: (path.name == MANIFEST, path.name)), out)
    names = read_manifest(out, kind)["arrays"]
    for path in out.glob("*.npy"):
        if path.stem not in names:
            path.unlink()
    shutil.rmtree(out / WORK)
