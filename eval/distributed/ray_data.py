"""Blocks of a stage by Ray Data: the one place where `eval` meets Ray (`eval.distributed.stage` says when and why)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
    except Exception as error:  # noqa: BLE001  (a source is the user's code and may raise anything)
        problem = f"{type(error).__name__}: {error}"
    return {"start": [block[0]], "stop": [block[1]], "catalogue": [content], "problem": [problem]}


def by_ray_data(
    source: ImageSource, blocks: list[Block], job: BlockJob, workers: int, timeout: float
) -> Iterator[tuple[Block, bytes]]:
    """Yield blocks with their catalogues as they are finished, in any order.

    The dataset is run by a Ray task that needs no CPU: cancelling that task is the documented way to end a dataset
    that is still going on, be it for an interrupt, an error or a standstill.

    Parameters
    ----------
    source : ImageSource
        The images.
    blocks : list of Block
        What to measure, at least one.
    job : BlockJob
        How.
    workers : int
        Blocks to measure at a time, at most.
    timeout : float
        Seconds without a finished block after which the work is given up.

    Yields
    ------
    tuple of Block and bytes
        The block, and its catalogue as the bytes of a parquet file.

    Raises
    ------
    StageError
        A block could not be measured, Ray Data stopped, or nothing was finished for `timeout` seconds.
    """
    global warm
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    task = ray.remote(_run_dataset).options(
        num_cpus=0, num_returns="streaming", max_retries=0, scheduling_strategy=here
    )
    # The reference travels in a list: Ray would resolve a bare one for every task.
    stream = task.remote([ray.put(source)], blocks, job, workers)
    left = len(blocks)
    try:
        while left:
            if not ray.wait([stream], timeout=timeout)[0]:
                free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
                raise StageError(
                    f"no block was finished in {timeout:.0f} s, {left} to go, {free:g} CPUs free: "
                    "the cluster's CPUs are taken, or a block kills every worker (too little memory?)"
                )
            try:
                block, content, problem = ray.get(next(stream))
            except (ray.exceptions.RayError, StopIteration) as error:
                cause = getattr(error, "cause", None) or error
                raise StageError(f"Ray Data stopped with {left} blocks to go: {cause}") from error
            if problem:
                raise StageError(f"images {block[0]} to {block[1] - 1} could not be measured: {problem}")
            warm = True
            left -= 1
            yield block, content
    finally:
        if left:
            ray.cancel(stream, force=True)


def _run_dataset(
    source_ref: list[Any], blocks: list[Block], job: BlockJob, workers: int
) -> Iterator[tuple[Block, bytes, str]]:
    """Run the dataset, in a Ray task; each row holds a block, its catalogue, and what went wrong ("" for nothing)."""
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
            start, stop, content, problem = (batch[name][0] for name in ("start", "stop", "catalogue", "problem"))
            yield (int(start), int(stop)), bytes(content), str(problem)


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
