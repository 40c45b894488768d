"""Make a galaxy set from a source: plan, do what is missing in parallel, assemble, publish.

State of unfinished work is in `OUT/.prepare`: `plan.json`, finished parts, and at the end the files of the new set,
which are then moved to `OUT` one by one, the manifest last. A run that finds any of it goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.atomic import write_json
from common.processors import available_cpus
from gan.data import INDEX, MANIFEST, WORK, DataError
from gan.datasets.writer import software_versions
from gan.images.decode_settings import DecodeSettings
from gan.images.sources import Entry, Source
from gan.preparation.assemble import LEDGER, choose, labelled, publish, reclaim, refusals, write_arrays
from gan.preparation.makers import Maker
from gan.preparation.parts import Result, Store, Task
from gan.preparation.request import Request
from gan.preparation.workers import Job, run_tasks

LOCK_PATIENCE = 5.0  # seconds
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
    maker: Maker | None = None,
    jobs: int | None = None,
    table: str | os.PathLike[str] | None = None,
    table_key: str | None = None,
    label: str | None = None,
    replace: bool = False,
    progress: Progress | None = None,
    time_limit: float = 60.0,
) -> Summary:
    """Make the galaxy set `out` from `source`, or bring it up to date.

    Parameters
    ----------
    source : Source
        From `gan.images.sources.open_source`.
    out : path-like
        Folder of the set.
    settings : DecodeSettings, optional
        Sizes, filter and what is accepted.
    maker : Maker, optional
        What is made of each entry; default images by `settings`.
    jobs : int, optional
        Processes; default one per core.
    table, table_key : optional
        Labels to join, see `gan.images.labels.join_table`.
    label : str, optional
        Column of the index that becomes its column `label`, the class of each galaxy.
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
    out = Path(out)
    new = not out.exists()
    request = Request(source, out, maker or Maker(settings or DecodeSettings()), table, table_key, label, replace)
    with _locked(out):
        try:
            summary = _prepare(
                request, jobs or available_cpus(), progress or (lambda done, total, refused: None), time_limit
            )
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}") from None
        finally:
            if new:
                with contextlib.suppress(OSError):
                    out.rmdir()  # only if nothing is in it
    summary.seconds = time.monotonic() - started
    return summary


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep a second preparation away from `out`, which is made if absent."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror or error}") from None
    try:
        _lock(handle, out)
        if not os.access(out, os.W_OK | os.X_OK):
            raise DataError(f"--out {out} cannot be written: Permission denied")
        yield
    finally:
        os.close(handle)


def _lock(handle: int, out: Path) -> None:
    """Lock `out`; workers whose parent was killed hold on for a moment longer, so wait a little."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DataError(f"another preparation is writing to {out}") from None
            time.sleep(0.1)
        except OSError:
            return  # a file system without locks


def _prepare(request: Request, jobs: int, progress: Progress, time_limit: float) -> Summary:
    request.look()
    if request.is_done():
        assert request.before is not None
        return _summary(request.out, request.before, "unchanged")
    notes = []
    store = Store(request.out / WORK / "parts", request.maker.layout)
    _open_plan(request)
    store.read_parts(verify=True)
    if len(store):
        notes.append(f"went on from an interrupted run: {len(store):,} files were done already")
    if request.before is not None:
        notes += _take_in(store, request)
    missing = store.missing(request.entries)
    if missing:
        done, total = len(request.entries) - len(missing), len(request.entries)
        job = Job(request.source, request.maker, store.folder, time_limit)
        tasks = _tasks(missing, tuple(request.maker.layout.values()), jobs, store.next_row)
        run_tasks(job, tasks, min(jobs, len(missing)), lambda count, refused: progress(done + count, total, refused))
        store.read_parts()
    manifest = _assemble(request, store)
    summary = _summary(request.out, manifest, "made" if request.before is None else "updated")
    summary.decoded, summary.reused, summary.notes = len(missing), len(request.entries) - len(missing), notes
    return summary


def _assemble(request: Request, store: Store) -> dict[str, Any]:
    """Write the set from the finished parts and move it into place; returns its manifest."""
    index, ledger, kept = choose(request.entries, store)
    refused = refusals(ledger)
    if not kept:
        shutil.rmtree(request.out / WORK)
        raise DataError(_nothing_usable(request.source, refused))
    index, joined = labelled(index, request.source, (ledger["row"] >= 0).to_numpy(), request.table, request.table_key)
    if request.label is not None:
        index["label"] = index[request.label].fillna("").astype(str)
    new = request.out / WORK / "new"
    source = {
        "kind": request.source.kind,
        "path": str(request.source.path),
        "key": request.source.key,
        "files": len(request.entries),
        "fingerprint": request.fingerprint,
    }
    manifest = {
        **write_arrays(new, kept, store, request.maker),
        "source": source,
        "transform": request.plan["transform"],
        "labels_from": request.labels_from,
        "labels": joined,
        **refused,
        "software": software_versions(("numpy", "pillow", "astropy", "h5py", "pandas", "pyarrow")),
    }
    index.to_parquet(new / INDEX, index=False)
    ledger.to_parquet(new / LEDGER, index=False)
    write_json(new / MANIFEST, manifest, ascii_only=True)
    new.rename(request.out / WORK / "publish")
    publish(request.out, request.maker.kind)
    return manifest


def _open_plan(request: Request) -> None:
    """Begin an unfinished preparation, or go on with the one that is there."""
    work = request.out / WORK
    try:
        there = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = None
    if there is not None and there != request.plan and not request.replace:
        raise DataError(
            f"{request.out} holds an unfinished preparation of {there.get('source')} with other settings; "
            "run that one again, choose another folder, or --replace it"
        )
    if there != request.plan:
        shutil.rmtree(work, ignore_errors=True)
    (work / "parts").mkdir(parents=True, exist_ok=True)
    reclaim(work / "new", work / "parts")
    shutil.rmtree(work / "new", ignore_errors=True)
    (work / "new").mkdir()
    write_json(work / "plan.json", request.plan, ascii_only=True)


def _take_in(store: Store, request: Request) -> list[str]:
    """Add what the finished set holds to the store, but for duplicates: what they duplicate may be gone.

    Returns what changed, in words.
    """
    import pandas as pd

    try:
        ledger = pd.read_parquet(request.out / LEDGER)
        standing = request.maker.opener.open(request.out)
    except (OSError, ValueError) as error:
        return [f"the set was damaged ({error}): all of it was made again"]
    usable = ledger[~ledger["reason"].str.startswith("duplicate")].sort_values("row", kind="stable")
    results = [
        Result(*plain, r.hashes.split(), r.width, r.height, r.bad_pixels, getattr(r, "about", ""))
        for r in usable.itertuples(index=False)
        for plain in [(r.name, r.stamp, r.reason, r.detail, r.sha256)]
    ]
    store.add(results, [standing.array(name) for name in request.maker.layout])
    before = dict(zip(ledger["name"], ledger["stamp"], strict=True))
    now = {entry.name: entry.stamp for entry in request.entries}
    new, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
    changed = sum(before.get(name, stamp) != stamp for name, stamp in now.items())
    if not (new or gone or changed):
        return ["the source is unchanged; the labels are not"]
    return [f"the source changed: {new:,} files are new, {changed:,} changed, {gone:,} gone"]


def _tasks(entries: list[Entry], sizes: tuple[int, ...], jobs: int, row: int) -> list[Task]:
    """Divide entries into tasks: few enough bytes to be written at once, enough tasks to keep all workers busy."""
    most = max(1, PART_BYTES // sum(3 * size * size for size in sizes))
    length = max(1, min(most, 256, -(-len(entries) // (8 * jobs))))
    return [Task(entries[start : start + length], row + start) for start in range(0, len(entries), length)]


def _nothing_usable(source: Source, refused: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in refused["refused_counts"].items())
    first = refused["refused"][0]
    example = f"such as {first['file']}: {first['detail']}"
    return f"no usable image among the {len(refused['refused']):,} files of {source.path}: {counts} ({example})"


def _summary(out: Path, manifest: dict[str, Any], state: str) -> Summary:
    summary = Summary(out, state, files=manifest["source"]["files"], images=manifest["count"])
    summary.refused = manifest["refused_counts"]
    for entry in manifest["refused"]:
        examples = summary.examples.setdefault(entry["reason"], [])
        if len(examples) < 3:
            examples.append((entry["file"], entry["detail"]))
    return summary
