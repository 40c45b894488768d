"""Make a galaxy set from a source: plan, do what is missing in parallel, assemble, publish.

State of unfinished work is in `OUT/.prepare`: `plan.json`, finished parts, and at the end the files of the new set,
which are then moved to `OUT` one by one, the manifest last. A run that finds any of it goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gan.data import (
    FORMAT,
    INDEX,
    MANIFEST,
    VERSION,
    WORK,
    DataError,
    GalaxySet,
    describe_arrays,
    read_manifest,
    software_versions,
    write_json,
)
from gan.decode import DecodeSettings
from gan.prepare_store import Done, Result, Store
from gan.prepare_workers import Crew, Job
from gan.sources import Entry, Source

if TYPE_CHECKING:
    import pandas as pd

LEDGER = "files.parquet"  # one row per file of the source: what became of it
PART_BYTES = 16 * 1024 * 1024
Progress = Callable[[int, int, int], None]


@dataclass
class Summary:
    """What `prepare` did.

    Attributes
    ----------
    out : Path
        The galaxy set.
    state : {"made", "updated", "unchanged"}
    files, images : int
        Files found, images in the set.
    refused : dict
        Number of files by reason.
    examples : dict
        For each reason up to three (file, detail).
    decoded, reused : int
        Files read in this run; files whose result of an earlier run was used.
    notes : list of str
        What the user should know.
    """

    out: Path
    state: str
    files: int = 0
    images: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    decoded: int = 0
    reused: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def prepare(
    source: Source,
    out: str | os.PathLike[str],
    *,
    settings: DecodeSettings | None = None,
    jobs: int | None = None,
    table: str | os.PathLike[str] | None = None,
    table_key: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    time_limit: float = 60.0,
) -> Summary:
    """Make the galaxy set `out` from `source`, or bring it up to date.

    Parameters
    ----------
    source : Source
        From `gan.sources.open_source`.
    out : path-like
        Folder of the set.
    settings : DecodeSettings, optional
        Sizes, filter and what is accepted.
    jobs : int, optional
        Processes; default one per core.
    table, table_key : optional
        Labels to join, see `gan.labels.join_table`.
    replace : bool
        Make it anew where `out` holds a set of another source or with other settings.
    progress : callable, optional
        Called as progress(done, total, refused).
    time_limit : float
        Seconds after which the decoding of one image is given up.

    Raises
    ------
    DataError
        If `out` cannot be used or written, or no image of the source can be used (then nothing is left in `out`).
    KeyboardInterrupt
        Finished parts are kept; the next call goes on from them.
    """
    started = time.monotonic()
    settings = settings or DecodeSettings()
    out = Path(out)
    new = not out.exists()
    with _locked(out):
        try:
            summary = _prepare(source, out, settings, jobs or cores(), table, table_key, replace, progress, time_limit)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            if new:
                with contextlib.suppress(OSError):
                    out.rmdir()  # only if nothing is in it
    summary.seconds = time.monotonic() - started
    return summary


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second preparation away from `out`, which is made if absent."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another preparation is writing to {out}") from None
        except OSError:
            pass  # a file system without locks
        if not os.access(out, os.W_OK | os.X_OK):
            raise DataError(f"--out {out} cannot be written: Permission denied")
        yield
    finally:
        os.close(handle)


def _prepare(
    source: Source,
    out: Path,
    settings: DecodeSettings,
    jobs: int,
    table: str | os.PathLike[str] | None,
    table_key: str | None,
    replace: bool,
    progress: Progress | None,
    time_limit: float,
) -> Summary:
    _publish(out)
    entries = source.entries(skip=out.resolve())
    if not entries:
        raise DataError(f"{source.path} holds no files")
    plan = {"source": str(source.path), "key": source.key, "transform": settings.as_dict()}
    labels = {"table": str(table), "sha256": _file_hash(table), "key": table_key} if table is not None else None
    fingerprint = hashlib.sha256("\n".join(f"{e.name}\t{e.stamp}" for e in entries).encode()).hexdigest()
    before = _standing(out, plan, fingerprint, replace)
    if before is not None and before["source"]["fingerprint"] == fingerprint and before["labels_from"] == labels:
        return _summary(out, before, "unchanged")

    parts = out / WORK / "parts"
    _open_plan(out, plan, replace)
    store = Store(parts, settings.sizes)
    store.read_parts()
    resumed = len(store)
    if before is not None:
        _take_in(store, out, settings.sizes)
    missing = store.missing(entries)
    if missing:
        crew = Crew(Job(source, settings, parts, time_limit), min(jobs, len(missing)))
        done = len(entries) - len(missing)

        def report(count: int, refused: int) -> None:
            if progress is not None:
                progress(done + count, len(entries), refused)

        crew.run(_tasks(missing, settings.sizes, jobs), report)
        store.read_parts()
    index, ledger, kept = _choose(entries, store)
    if not kept:
        shutil.rmtree(out / WORK)
        raise DataError(_nothing_usable(source, ledger))
    index, joined = _labelled(index, source, entries, ledger, table, table_key)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        **_write_arrays(out / WORK / "new", kept, settings.sizes),
        "source": {"kind": source.kind, "path": str(source.path), "key": source.key, "files": len(entries),
                   "fingerprint": fingerprint},
        "transform": plan["transform"],
        "labels_from": labels,
        "labels": joined,
        **_refusals(ledger),
        "software": software_versions(("numpy", "pillow", "astropy", "h5py", "pandas", "pyarrow")),
    }  # fmt: skip
    new = out / WORK / "new"
    index.to_parquet(new / INDEX, index=False)
    ledger.to_parquet(new / LEDGER, index=False)
    write_json(new / MANIFEST, manifest)
    os.replace(new, out / WORK / "publish")
    _publish(out)
    summary = _summary(out, manifest, "made" if before is None else "updated")
    summary.decoded, summary.reused = len(missing), len(entries) - len(missing)
    if resumed:
        summary.notes.append(f"went on from an interrupted run: {resumed:,} files were done already")
    if before is not None:
        gone = before["source"]["files"] - (len(entries) - len(missing))
        summary.notes.append(
            f"the source changed: {len(missing):,} files new or changed, {max(gone, 0):,} gone or replaced"
        )
    return summary


def _file_hash(path: str | os.PathLike[str]) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"--table {path} cannot be read: {error.strerror or error}") from None


def _standing(out: Path, plan: dict[str, Any], fingerprint: str, replace: bool) -> dict[str, Any] | None:
    """Manifest of the set that `out` holds already, if it can be built upon; raises `DataError` if it is in the way."""
    if not (out / MANIFEST).exists():
        others = [path.name for path in out.iterdir() if path.name != WORK]
        if others:
            raise DataError(
                f"--out {out} is not empty and not a galaxy set (it holds {sorted(others)[0]}); choose another"
            )
        return None
    if replace:
        with contextlib.suppress(DataError):
            manifest = read_manifest(out)
            if _same(manifest, plan, fingerprint):
                return manifest
        return None
    manifest = read_manifest(out)
    if not _same(manifest, plan, fingerprint):
        held = manifest.get("source", {})
        sizes = " ".join(manifest.get("arrays", {}))
        by = manifest.get("transform", {}).get("filter")
        what = f"from {held.get('path', held.get('kind'))}, sizes {sizes}, filter {by}"
        raise DataError(f"--out {out} holds another galaxy set ({what}); choose another folder, or --replace it")
    return manifest


def _same(manifest: dict[str, Any], plan: dict[str, Any], fingerprint: str) -> bool:
    source = manifest.get("source", {})
    here = source.get("path") == plan["source"] or source.get("fingerprint") == fingerprint
    return here and source.get("key") == plan["key"] and manifest.get("transform") == plan["transform"]


def _open_plan(out: Path, plan: dict[str, Any], replace: bool) -> None:
    """Begin an unfinished preparation, or go on with the one that is there."""
    path = out / WORK / "plan.json"
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = None
    if there is not None and there != plan and not replace:
        raise DataError(
            f"{out} holds an unfinished preparation of {there.get('source')} with other settings; "
            "run that one again, choose another folder, or --replace it"
        )
    if there != plan:
        shutil.rmtree(out / WORK, ignore_errors=True)
    (out / WORK / "parts").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / WORK / "new", ignore_errors=True)
    (out / WORK / "new").mkdir()
    write_json(path, plan)


def _take_in(store: Store, out: Path, sizes: tuple[int, ...]) -> None:
    """Add what the finished set at `out` holds to the store, but for duplicates: what they duplicate may be gone."""
    import pandas as pd

    try:
        ledger = pd.read_parquet(out / LEDGER)
        galaxy_set = GalaxySet.open(out)
    except (OSError, ValueError):
        return  # damaged: all of it is done again
    ledger = ledger[~ledger["reason"].str.startswith("duplicate")].sort_values("row", kind="stable")
    pixels = [galaxy_set.images(size) for size in sizes]
    results = [
        Result(r.name, r.stamp, r.reason, r.detail, r.sha256, r.hashes.split(), r.width, r.height, r.bad_pixels)
        for r in ledger.itertuples(index=False)
    ]
    if sum(not result.reason for result in results) == len(galaxy_set):
        store.add(results, pixels)


def _tasks(entries: list[Entry], sizes: tuple[int, ...], jobs: int) -> list[list[Entry]]:
    """Divide entries into tasks: few enough bytes to be written at once, enough tasks to keep all workers busy."""
    most = max(1, PART_BYTES // sum(3 * size * size for size in sizes))
    length = max(1, min(most, 256, -(-len(entries) // (8 * jobs))))
    return [entries[start : start + length] for start in range(0, len(entries), length)]


def _choose(entries: list[Entry], store: Store) -> tuple[pd.DataFrame, pd.DataFrame, list[Done]]:
    """Index, ledger and the images kept, in order of the entries: the first of duplicates is the one that stays."""
    import pandas as pd

    by_bytes: dict[str, str] = {}
    by_pixels: dict[str, str] = {}
    kept: list[Done] = []
    rows: list[tuple[Any, ...]] = []
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
        rows.append(
            (r.name, r.stamp, row, reason, detail, r.sha256, " ".join(r.hashes), r.width, r.height, r.bad_pixels)
        )
    columns = ["name", "stamp", "row", "reason", "detail", "sha256", "hashes", "width", "height", "bad_pixels"]
    ledger = pd.DataFrame(rows, columns=columns)
    used = ledger[ledger["row"] >= 0].reset_index(drop=True)
    index = pd.DataFrame({"id": _ids(list(used["name"])), "source": used["name"]})
    return index.join(used[["sha256", "width", "height", "bad_pixels"]]), ledger, kept


def _ids(names: list[str]) -> list[str]:
    """Stems where they are unique, else names without suffix, else names."""
    for short in (lambda name: PurePosixPath(name).stem, lambda name: str(PurePosixPath(name).with_suffix("")), str):
        ids = [short(name) for name in names]
        if len(set(ids)) == len(ids):
            break
    return ids


def _labelled(
    index: pd.DataFrame,
    source: Source,
    entries: list[Entry],
    ledger: pd.DataFrame,
    table: str | os.PathLike[str] | None,
    table_key: str | None,
) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """The index with the labels that the source itself holds and those of the table."""
    from gan.labels import join_table, read_table

    used = (ledger["row"] >= 0).to_numpy()
    for name, values in source.labels().items():
        if name not in index.columns and len(values) == len(entries):
            index[name] = values[used]
    if table is None:
        return index, None
    return join_table(index, read_table(table), key=table_key)


def _write_arrays(folder: Path, kept: list[Done], sizes: tuple[int, ...]) -> dict[str, Any]:
    """Write one .npy per size and describe them as a manifest does."""
    import numpy as np

    arrays, hashes = {}, {}
    for k, size in enumerate(sizes):
        path = folder / f"{size}.npy"
        shape = (len(kept), size, size, 3)
        with path.open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for pixels, start, stop in _runs(kept):
                stream.write(np.ascontiguousarray(pixels[k][start:stop]).data)
        arrays[size] = np.load(path, mmap_mode="r")
        hashes[size] = [bytes.fromhex(done.result.hashes[k]) for done in kept]
    return describe_arrays(arrays, hashes)


def _runs(kept: list[Done]) -> Iterator[tuple[list[Any], int, int]]:
    """Stretches of rows that follow each other in one part: (pixels, first row, row after the last)."""
    start = 0
    for i in range(1, len(kept) + 1):
        joined = i < len(kept) and kept[i].pixels is kept[i - 1].pixels and kept[i].row == kept[i - 1].row + 1
        if not joined or i - start >= 256:
            yield kept[start].pixels, kept[start].row, kept[i - 1].row + 1
            start = i


def _refusals(ledger: pd.DataFrame) -> dict[str, Any]:
    bad = ledger[ledger["reason"] != ""]
    listed = [{"file": r.name, "reason": r.reason, "detail": r.detail} for r in bad.itertuples(index=False)]
    return {"refused": listed, "refused_counts": dict(Counter(entry["reason"] for entry in listed).most_common())}


def _nothing_usable(source: Source, ledger: pd.DataFrame) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in _refusals(ledger)["refused_counts"].items())
    first = ledger.iloc[0]
    example = f"such as {first['name']}: {first['detail']}"
    return f"no usable image among the {len(ledger):,} files of {source.path}: {counts} ({example})"


def _publish(out: Path) -> None:
    """Move the files of a finished new set into place, the manifest last; also after an interruption of just that."""
    ready = out / WORK / "publish"
    if not ready.is_dir():
        return
    names = sorted((path.name for path in ready.iterdir()), key=lambda name: (name == MANIFEST, name))
    for name in names:
        os.replace(ready / name, out / name)
    sizes = read_manifest(out)["arrays"]
    for path in out.glob("*.npy"):
        if path.stem not in sizes:
            path.unlink()
    shutil.rmtree(out / WORK)


def _summary(out: Path, manifest: dict[str, Any], state: str) -> Summary:
    summary = Summary(out, state, files=manifest["source"]["files"], images=manifest["count"])
    summary.refused = manifest["refused_counts"]
    for entry in manifest["refused"]:
        examples = summary.examples.setdefault(entry["reason"], [])
        if len(examples) < 3:
            examples.append((entry["file"], entry["detail"]))
    return summary
