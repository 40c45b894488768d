"""From a source of images to a catalogue over all CPUs of a cluster, block by block.

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
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from common.processors import available_cpus
from eval.catalogue import read_catalogue
from eval.distributed import ray_data
from eval.distributed.blocks import Block, BlockJob, StageError, decoded
from eval.distributed.image_source import ArraySource, ImageSource
from eval.distributed.part_files import PartStore
from eval.measure import cpus as cpus_here
from eval.settings import MeasurementSettings

__all__ = ["ArraySource", "ImageSource", "StageError", "StageResult", "measure_source"]

Place = Literal["auto", "process", "ray"]
OVERHEAD, FIRST_OVERHEAD = 0.5, 5.0
"""Seconds that an evaluation by Ray Data costs beyond its measuring, and the first of a process."""
SECONDS_PER_IMAGE = {"fast": 0.005, "photutils": 2.0}
"""One CPU, 64 px, to order of magnitude: what the rule and the default timeout reckon with."""
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
        frames = [decoded(content) for content in self._contents] or [read_catalogue(part) for part in self.parts]
        catalogue = pd.concat(frames, ignore_index=True).astype({"status": object})
        catalogue.attrs.update(frames[0].attrs)
        return catalogue


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
    job = BlockJob(settings=settings or MeasurementSettings(), engine=engine)
    blocks = [(start, min(start + block_size, total)) for start in range(0, total, block_size)]
    store = None if out is None else PartStore(Path(out), source, job.settings, engine, block_size)
    missing = [block for block in blocks if store is None or not store.has(block)]
    left = sum(stop - start for start, stop in missing)
    if progress is not None and left < total:
        progress(total - left, total)
    chosen, reason, workers = _choose(place, left, engine, cpus)
    if chosen == "ray":
        timeout = stall_timeout or max(120.0, 20 * block_size * SECONDS_PER_IMAGE.get(engine, 2.0))
        results = ray_data.by_ray_data(source, missing, job, workers, timeout)
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
    ray = ray_data.running_ray()
    if ray is None:
        if place == "ray":
            raise StageError("place = 'ray' needs Ray to be initialised: call ray.init first")
        return "process", "no Ray here", here
    held = int(ray.cluster_resources().get("CPU", 0))
    if len([node for node in ray.nodes() if node["Alive"]]) == 1 and place == "auto":
        held = min(held, available_cpus())  # one machine may have been given more logical CPUs than it has
    held = min(held, cpus or held)
    if place == "auto" and not worth_ray(images, engine=engine, here=here, free=held, first=not ray_data.warm):
        return "process", f"{images:,} images on {here} CPUs here are done sooner than on {held} of the cluster", here
    free = min(held, ray_data.free_cpus(ray))
    if free < 1:
        if place == "ray":
            raise StageError(f"none of the cluster's {held} CPUs is free: expected at least 1 for the measurement")
        _log.warning("no CPU of the cluster is free: measuring in this process")
        return "process", "no CPU of the cluster is free", here
    return "ray", f"{free} CPUs are free in the cluster, {here} here" if place == "auto" else "asked for", free
