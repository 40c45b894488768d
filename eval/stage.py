"""From a source of images to a catalogue over all CPUs of a cluster, block by block: the one Ray Data adapter.

A block is a range `(start, stop)` of an `ImageSource`. Its images are made where they are
measured and only its catalogue comes back (about 100 bytes per galaxy), so a million images need
no more memory than one block per worker. A worker that dies loses its block and nothing else, and
that block is done again. With `out`, finished blocks are files, and a stage that was cut short
goes on from them.

In this process, or by Ray Data
-------------------------------
The compiled engine keeps all CPUs of a machine busy from one process, so Ray Data gains only
where more CPUs are free in the cluster than this process may use, and it must first win back
what it costs to start (`benchmarks/stage.py` measures that):

    images * seconds_per_image * (1 / local_cpus - 1 / free_cpus) > overhead

where the overhead is 5 s for the first evaluation of a process (imports, worker processes) and
0.5 s for the following ones.

Blocks run as Ray tasks, not actors: the processes of finished tasks stay warm between
evaluations with the compiled kernels and the modules of the source loaded, whereas an actor pool
of Ray Data is torn down after each evaluation and pays for its processes again.

What keeps it from hanging
--------------------------
No read task, which would want a whole CPU of its own. Where no CPU is free, this process measures,
and the result says so. No block finished within `stall_timeout` seconds is a `StageError`: also
for a block that kills every worker it meets, which Ray Data by itself would try for ever.
"""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from eval.catalogue import read_catalogue, write_catalogue
from eval.measure import cpus as cpus_here
from eval.measure import measure
from eval.parts import Block, PartStore, StageError
from eval.settings import MeasurementSettings
from eval.sources import ArraySource, ImageSource

__all__ = ["ArraySource", "ImageSource", "StageError", "StageResult", "measure_source"]

Place = Literal["auto", "process", "ray"]
OVERHEAD, FIRST_OVERHEAD = 0.5, 5.0
"""Seconds that an evaluation by Ray Data costs beyond its measuring, and the first of a process."""
SECONDS_PER_IMAGE = {"fast": 0.005, "photutils": 2.0}
"""One CPU, 64 px, to order of magnitude: what the rule and the default timeout reckon with."""
PATIENCE = 5.0
"""Seconds to wait for a first free CPU of the cluster."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What a stage measured, and how.

    Attributes
    ----------
    count : int
        Number of images.
    place : {"process", "ray"}
        Where the blocks were measured.
    reason : str
        Why there, in words.
    done, reused : int
        Blocks measured now, and blocks found finished in `out`.
    seconds : float
        Wall time.
    parts : list of Path
        The files of `out`, in order; empty without `out`.
    """

    count: int
    place: str
    reason: str
    done: int
    reused: int
    seconds: float
    parts: list[Path] = field(repr=False)
    _contents: list[bytes] = field(repr=False)

    def catalogue(self) -> pd.DataFrame:
        """The whole catalogue in the order of the source, one row per image."""
        frames = [_decoded(content) for content in self._contents] or [read_catalogue(part) for part in self.parts]
        catalogue = pd.concat(frames, ignore_index=True).astype({"status": object})
        catalogue.attrs.update(frames[0].attrs)
        return catalogue


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What every worker must know about a block."""

    settings: MeasurementSettings
    engine: str

    def run(self, source: ImageSource, block: Block, jobs: int) -> bytes:
        """The catalogue of a block as the bytes of a parquet file."""
        start, stop = block
        names = getattr(source, "ids", None)
        ids = range(start, stop) if names is None else names(start, stop)
        catalogue = measure(
            source.images(start, stop), engine=self.engine, jobs=jobs, settings=self.settings, ids=list(ids)
        )
        return _encoded(catalogue)


def measure_source(
    source: ImageSource,
    *,
    settings: MeasurementSettings | None = None,
    engine: str = "fast",
    block_size: int = 500,
    cpus: int | None = None,
    out: str | os.PathLike[str] | None = None,
    place: Place = "auto",
    stall_timeout: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StageResult:
    """Measure all images of a source.

    Parameters
    ----------
    source : ImageSource
        Its images are made where they are measured.
    settings : MeasurementSettings, optional
        What defines the measurement.
    engine : {"fast", "photutils"}
        See `eval.measure.measure`.
    block_size : int
        Images per block: what a dying worker loses, and what a worker holds in memory.
    cpus : int, optional
        CPUs to use at most; None: all that are free.
    out : path-like, optional
        Folder for one parquet file per block. Blocks that are there already are not done again.
    place : {"auto", "process", "ray"}
        "auto" follows the rule of this module; Ray is used only where it has been initialised.
    stall_timeout : float, optional
        Seconds without a finished block after which Ray Data is given up. None: 20 times what
        a block should take, at least 2 minutes.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    StageError
        `out` belongs to another stage, a block failed for good, or nothing moves.
    ValueError
        An option is out of range.
    """
    if min(block_size, len(source), 1 if cpus is None else cpus) < 1:
        values = f"{len(source)} images, block_size = {block_size}, cpus = {cpus}"
        raise ValueError(f"{values} does not work: expected 1 or more of each")
    started, total = time.perf_counter(), len(source)
    job = _Job(settings=settings or MeasurementSettings(), engine=engine)
    blocks = [(start, min(start + block_size, total)) for start in range(0, total, block_size)]
    store = None if out is None else PartStore(Path(out), source, job.settings, engine, block_size)
    missing = [block for block in blocks if store is None or not store.has(block)]
    left = sum(stop - start for start, stop in missing)
    if progress is not None and left < total:
        progress(total - left, total)
    chosen, reason, workers = _choose(place, left, engine, cpus)
    if chosen == "ray":
        timeout = stall_timeout or max(120.0, 20 * block_size * SECONDS_PER_IMAGE.get(engine, 2.0))
        results = _by_ray_data(source, missing, job, workers, timeout)
    else:
        results = ((block, job.run(source, block, workers)) for block in missing)
    contents: dict[Block, bytes] = {}
    for block, content in results:
        if store is None:
            contents[block] = content
        else:
            store.keep(block, content)
        left -= block[1] - block[0]
        if progress is not None:
            progress(total - left, total)
    return StageResult(
        count=total,
        place=chosen,
        reason=reason,
        done=len(missing),
        reused=len(blocks) - len(missing),
        seconds=time.perf_counter() - started,
        parts=[] if store is None else [store.path(block) for block in blocks],
        _contents=[contents[block] for block in blocks if block in contents],
    )


def worth_ray(images: int, *, engine: str, here: int, free: int, first: bool = False) -> bool:
    """The rule of this module: does a stage by Ray Data end sooner than one in this process?

    Parameters
    ----------
    images : int
        Images to measure.
    engine : str
        Engine to measure with.
    here, free : int
        CPUs that this process may use, and that are free in the cluster.
    first : bool
        This process has not used Ray Data yet.
    """
    gain = images * SECONDS_PER_IMAGE.get(engine, 2.0) * (1 / here - 1 / max(free, 1))
    return gain > (FIRST_OVERHEAD if first else OVERHEAD)


def _choose(place: str, images: int, engine: str, cpus: int | None) -> tuple[str, str, int]:
    """Where to measure, why, and on how many CPUs."""
    here = min(cpus_here(), cpus or cpus_here())
    if place == "process" or images == 0:
        return "process", "asked for" if images else "nothing left to do", here
    if place not in ("auto", "ray"):
        raise ValueError(f"place = {place!r} does not work: expected 'auto', 'process' or 'ray'")
    ray = _running_ray()
    if ray is None:
        if place == "ray":
            raise StageError("place = 'ray' needs Ray to be initialised: call ray.init first")
        return "process", "no Ray here", here
    held = int(ray.cluster_resources().get("CPU", 0))
    if len([node for node in ray.nodes() if node["Alive"]]) == 1 and place == "auto":
        held = min(held, os.cpu_count() or 1)  # one machine may have been given more logical CPUs than it has
    held = min(held, cpus or held)
    if place == "auto" and not worth_ray(images, engine=engine, here=here, free=held, first=not _warm):
        return "process", f"{images:,} images on {here} CPUs here are done sooner than on {held} of the cluster", here
    free = min(held, _free_cpus(ray))
    if free < 1:
        if place == "ray":
            raise StageError(f"none of the cluster's {held} CPUs is free: expected at least 1 for the measurement")
        _log.warning("no CPU of the cluster is free: measuring in this process")
        return "process", "no CPU of the cluster is free", here
    return "ray", f"{free} CPUs are free in the cluster, {here} here" if place == "auto" else "asked for", free


def _free_cpus(ray: Any) -> int:
    """CPUs free in the cluster; those just given back are seen with a delay, so none is asked about again."""
    deadline = time.monotonic() + PATIENCE
    while (free := int(ray.available_resources().get("CPU", 0))) < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    return free


def _running_ray() -> Any:
    try:
        import ray
    except ImportError:
        return None
    return ray if ray.is_initialized() else None


# --- Ray Data ---------------------------------------------------------------------------------------------------------

_warm = False
_last_source: tuple[str, ImageSource] | None = None


def _run_block(batch: dict[str, Any], *, source_ref: list[Any], job: _Job) -> dict[str, list[Any]]:
    """Measure the block of a one-row batch, in a worker; what goes wrong is told in a row, without Ray's wrappings."""
    global _last_source
    import ray

    block = (int(batch["start"][0]), int(batch["stop"][0]))
    content, problem = b"", ""
    try:
        name = source_ref[0].hex()
        if _last_source is None or _last_source[0] != name:
            _last_source = (name, ray.get(source_ref[0]))
        content = job.run(_last_source[1], block, 1)
    except Exception as error:  # a source is the user's code and may raise anything
        problem = f"{type(error).__name__}: {error}"
    return {"start": [block[0]], "stop": [block[1]], "catalogue": [content], "problem": [problem]}


def _by_ray_data(
    source: ImageSource, blocks: list[Block], job: _Job, workers: int, timeout: float
) -> Iterator[tuple[Block, bytes]]:
    """Blocks with their catalogues as they are finished, in any order."""
    global _warm
    import ray

    with _quiet_ray_data() as data:
        rows = [{"start": start, "stop": stop} for start, stop in blocks]
        # The reference travels in a list: Ray would resolve a bare one for every task.
        keywords = {"source_ref": [ray.put(source)], "job": job}
        dataset = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _run_block,
            fn_kwargs=keywords,
            batch_size=1,
            batch_format="numpy",
            compute=data.TaskPoolStrategy(size=min(workers, len(rows))),
            num_cpus=1,
        )
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_drain, args=(dataset, finished), daemon=True).start()
        left = len(blocks)
        try:
            while left:
                result = finished.get(timeout=timeout)
                if isinstance(result, BaseException):
                    raise StageError(f"Ray Data stopped with {left} blocks to go: {result}") from result
                block, content, problem = result
                if problem:
                    raise StageError(f"images {block[0]} to {block[1] - 1} could not be measured: {problem}")
                _warm = True
                yield block, content
                left -= 1
        except queue.Empty:
            free = ray.available_resources().get("CPU", 0)
            message = (
                f"no block was finished in {timeout:.0f} s, {left} to go, {free:g} CPUs free: "
                "the cluster's CPUs are taken, or a block kills every worker (too little memory?)"
            )
            raise StageError(message) from None
        finally:
            _stop(dataset)


def _drain(dataset: Any, finished: queue.SimpleQueue[Any]) -> None:
    try:
        for batch in dataset.iter_batches(batch_size=1, batch_format="numpy", prefetch_batches=1):
            start, stop, content, problem = (batch[name][0] for name in ("start", "stop", "catalogue", "problem"))
            finished.put(((int(start), int(stop)), bytes(content), str(problem)))
    except BaseException as error:  # handed to the thread that waits
        finished.put(error)


def _stop(dataset: Any) -> None:
    """End an execution that is still going on; Ray Data has no public call for it."""
    executor = getattr(dataset, "_current_executor", None)
    if executor is not None:
        executor.shutdown(force=True)


@contextmanager
def _quiet_ray_data() -> Iterator[Any]:
    """Ray Data without its progress bars and messages."""
    import ray.data

    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    names = ("enable_progress_bars", "print_on_execution_start")
    before, level = {name: getattr(context, name) for name in names}, log.level
    try:
        for name in names:
            setattr(context, name, False)
        log.setLevel(logging.ERROR)
        yield ray.data
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        log.setLevel(level)


def _encoded(catalogue: pd.DataFrame) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_catalogue(catalogue, Path(folder) / "part.parquet").read_bytes()


def _decoded(content: bytes) -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        path.write_bytes(content)
        return read_catalogue(path)
