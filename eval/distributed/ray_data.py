"""Blocks of a stage by Ray Data: the one place where `eval` meets Ray (`eval.distributed.stage` says when and why)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common.errors import first_line
from eval.distributed.blocks import Block, BlockJob, StageError
from eval.distributed.image_source import ImageSource

PATIENCE = 5.0
"""Seconds to wait for a first free CPU of the cluster."""
warm = False
"""Whether this process has used Ray Data."""
_last_source: tuple[str, ImageSource] | None = None


def running_ray() -> Any:
    """The module `ray`, where it is installed and initialised; else None."""
    try:
        import ray
    except ImportError:
        return None
    return ray if ray.is_initialized() else None


def free_cpus(ray: Any) -> int:
    """CPUs free in the cluster; those just given back are seen with a delay, so none is asked about again."""
    deadline = time.monotonic() + PATIENCE
    while (free := int(ray.available_resources().get("CPU", 0))) < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    return free


def _run_block(batch: dict[str, Any], *, source_ref: list[Any], job: BlockJob) -> dict[str, list[Any]]:
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
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return {"start": [block[0]], "stop": [block[1]], "catalogue": [content], "problem": [problem]}


def _run_dataset(source_ref: list[Any], blocks: list[Block], job: BlockJob, workers: int) -> Iterator[dict[str, Any]]:
    """Measure all blocks by a dataset, in a task of its own; one row per block, as they are finished."""
    with _quiet_ray_data() as data:
        rows = [{"start": start, "stop": stop} for start, stop in blocks]
        dataset = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _run_block,
            fn_kwargs={"source_ref": source_ref, "job": job},
            batch_size=1,
            batch_format="numpy",
            compute=data.TaskPoolStrategy(size=min(workers, len(rows))),
            num_cpus=1,
        )
        for batch in dataset.iter_batches(batch_size=1, batch_format="numpy", prefetch_batches=1):
            yield {name: values[0] for name, values in batch.items()}


def by_ray_data(
    source: ImageSource, blocks: list[Block], job: BlockJob, workers: int, timeout: float
) -> Iterator[tuple[Block, bytes]]:
    """Yield blocks with their catalogues as they are finished, in any order.

    The dataset runs inside a Ray task, which can be cancelled: Ray Data has no public call that ends an execution.

    Raises
    ------
    StageError
        A block could not be measured, no block was finished in `timeout` seconds, or Ray Data gave up.
    """
    global warm
    import ray

    # The reference travels in a list: Ray would resolve a bare one for every task.
    task = ray.remote(num_cpus=0, max_retries=0, num_returns="streaming")(_run_dataset)
    running: Any = task.remote([ray.put(source)], blocks, job, workers)
    left = len(blocks)
    try:
        while left:
            if not ray.wait([running], timeout=timeout)[0]:
                free = ray.available_resources().get("CPU", 0)
                raise StageError(
                    f"no block was finished in {timeout:.0f} s, {left} to go, {free:g} CPUs free: "
                    "the cluster's CPUs are taken, or a block kills every worker (too little memory?)"
                )
            try:
                row = ray.get(next(running))
            except (ray.exceptions.RayError, StopIteration) as error:
                raise StageError(f"Ray Data stopped with {left} blocks to go: {first_line(error)}") from error
            block = (int(row["start"]), int(row["stop"]))
            if row["problem"]:
                raise StageError(f"images {block[0]} to {block[1] - 1} could not be measured: {row['problem']}")
            warm = True
            yield block, bytes(row["catalogue"])
            left -= 1
    finally:
        if left:
            ray.cancel(running, force=True)


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
