"""Processes that read and decode images for `gan.prepare`, and outlive any one of them.

A decoder may crash or hang on a hostile file, so files are never decoded in the calling process. A process that dies or
hangs is replaced; the image it was at is tried once more alone, then refused; the rest of its task is done again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from common.process_pool import At, Lost, PoolError, ProcessPool
from gan.data import DataError, image_hash
from gan.images.rejections import Refused
from gan.images.sources import Content, Entry, Pair, Read, Source
from gan.preparation.makers import Maker
from gan.preparation.parts import Result, Task, write_part


@dataclass(frozen=True)
class Job:
    """What every worker needs to know."""

    source: Source
    maker: Maker
    parts: Path
    time_limit: float = 60.0


def prepare_entry(read: Read, entry: Entry, maker: Maker) -> tuple[Result, tuple[np.ndarray, ...]]:
    """Read one entry and make its rows; a refusal is a result without pixels."""
    result = Result(entry.name, entry.stamp)
    try:
        content = read(entry)
        result.sha256 = _digest(content)
        made = maker.make(content, entry)
    except Refused as refused:
        result.reason, result.detail = refused.reason, refused.detail
        return result, ()
    except MemoryError:
        result.reason, result.detail = "too-large", "not enough memory to decode it"
        return result, ()
    result.width, result.height, result.bad_pixels = made.width, made.height, made.bad_pixels
    result.about = json.dumps(made.about) if made.about else ""
    result.hashes = [image_hash(pixels).hex() for pixels in made.pixels]
    return result, made.pixels


def _digest(content: Content) -> str:
    """SHA-256 of what was read, hexadecimal."""
    if isinstance(content, Pair):
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in content[:2])).hexdigest()
    return hashlib.sha256(content if isinstance(content, bytes) else np.ascontiguousarray(content).data).hexdigest()


def work(job: Job, task: Task, read: Read, at: At) -> tuple[int, int]:
    """Do one task and write its part.

    Parameters
    ----------
    job : Job
        What the task is part of.
    task : Task
        Entries, and their rows.
    read : callable
        From the reader of the source.
    at : callable
        Called with the number of the entry that is begun.

    Returns
    -------
    images, refused : int
        Their numbers.
    """
    results = []
    layout = job.maker.layout
    arrays = {name: np.empty((len(task.entries), size, size, 3), np.uint8) for name, size in layout.items()}
    count = 0
    for number, entry in enumerate(task.entries):
        at(number)
        result, pixels = prepare_entry(read, entry, job.maker)
        results.append(result)
        if pixels:
            for array, image in zip(arrays.values(), pixels, strict=True):
                array[count] = image
            count += 1
    write_part(job.parts, task, results, {name: array[:count] for name, array in arrays.items()} if count else {})
    return count, len(results) - count


@contextlib.contextmanager
def _opened(job: Job) -> Iterator[Callable[[Task, At], tuple[int, int] | str]]:
    """What a process does with a task: `work`, or the reason why no task of this job can be done."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # `DecodeSettings.max_pixels` is checked instead, before decoding
    faulthandler.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries in C print their opinion of each bad file

    with contextlib.ExitStack() as stack:
        try:
            read = stack.enter_context(job.source.reader())
        except DataError as error:
            reason = str(error)
            yield lambda task, at: reason
            return

        def do(task: Task, at: At) -> tuple[int, int] | str:
            try:
                return work(job, task, read, at)
            except DataError as error:
                return str(error)
            except OSError as error:
                return f"cannot write to {job.parts}: {error.strerror or error}"

        yield do


def run_tasks(job: Job, tasks: list[Task], jobs: int, progress: Callable[[int, int], None]) -> None:
    """Do all tasks in processes and write their parts.

    Parameters
    ----------
    job : Job
        What the tasks are part of.
    tasks : list of Task
        Their rows do not overlap.
    jobs : int
        Number of processes, 1 or more.
    progress : callable
        Called with (entries done, entries refused) a few times per second, and at the end.

    Raises
    ------
    DataError
        If parts cannot be written, or processes die before they can do anything.
    """
    done = refused = 0
    suspects: set[Entry] = set()
    method: Literal["fork", "spawn"] = "fork" if sys.platform == "linux" else "spawn"
    pool: ProcessPool[Task, tuple[int, int] | str]

    def tick() -> None:
        progress(done + pool.under_way(), refused)

    with ProcessPool(functools.partial(_opened, job), jobs, time_limit=job.time_limit, method=method) as pool:
        try:
            for task, outcome in pool.run(tasks, tick=tick):
                if isinstance(outcome, str):
                    raise DataError(outcome)
                if isinstance(outcome, Lost):
                    gone = _see_to(job, task, outcome, suspects, pool.put)
                    done, refused = done + gone, refused + gone
                else:
                    done, refused = done + sum(outcome), refused + outcome[1]
        except PoolError as error:
            raise DataError(f"the processes that read images die before they begin ({error})") from None
    progress(done, refused)


def _see_to(job: Job, task: Task, lost: Lost, suspects: set[Entry], put: Callable[[Task], None]) -> int:
    """Put what is left of a task whose process died or hung; returns the number of entries refused, 0 or 1."""
    culprit = task.entries[lost.position]
    rest = task.entries[: lost.position] + task.entries[lost.position + 1 :]
    alone = Task([culprit], task.row + len(rest))
    if rest:
        put(Task(rest, task.row))
    if not lost.timed_out and culprit not in suspects:
        suspects.add(culprit)
        put(alone)
        return 0
    reason = "timeout" if lost.timed_out else "crashed"
    write_part(job.parts, alone, [Result(culprit.name, culprit.stamp, reason, lost.detail)], {})
    return 1
