"""Blocks of a stage by Ray Data: the one place where `eval` meets Ray (`eval.distributed.stage` says when and why)."""

from __future__ import annotations

import logging
import queue
import threading
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
    except Exception as error:  # a source is the user's code and may raise anything
        problem = f"{type(error).__name__}: {error}"
    return {"start": [block[0]], "stop": [block[1]], "catalogue": [content], "problem": [problem]}


def by_ray_data(
    source: ImageSource, blocks: list[Block], job: BlockJob, workers: int, timeout: float
) -> Iterator[tuple[Block, bytes]]:
    """Blocks with their catalogues as they are finished, in any order."""
    global warm
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
                warm = True
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
