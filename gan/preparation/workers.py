"""Processes that read and decode images for `gan.prepare`, and outlive any one of them.

A decoder may crash or hang on a hostile file, so files are never decoded in the calling process. A process that dies or
hangs is replaced; the image it was at is tried once more alone, then refused; the rest of its task is done again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gan.data import DataError, image_hash
from gan.images.rejections import Refused
from gan.images.sources import Content, Entry, Pair, Read, Source
from gan.preparation.makers import Maker
from gan.preparation.parts import Result, Task, write_part

# fork starts a worker in milliseconds; elsewhere it is absent or unsafe
CONTEXT: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
MAX_STARTS_WITHOUT_WORK = 3


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


def work(job: Job, task: Task, read: Read, at: Callable[[int], None]) -> tuple[int, int]:
    """Do one task and write its part; returns the number of images and of refusals."""
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


def _main(job: Job, pipe: Any, position: Any, slot: int) -> None:
    """Body of a worker: tasks in, counts out, until the pipe or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # `DecodeSettings.max_pixels` is checked instead, before decoding
    faulthandler.disable()
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # libraries in C print their opinion of each bad file
    parent = os.getppid()

    def at(number: int) -> None:
        position[slot] = number

    try:
        with job.source.reader() as read:
            while True:
                while not pipe.poll(1.0):
                    if os.getppid() != parent:
                        return
                task = pipe.recv()
                if task is None:
                    return
                try:
                    pipe.send(work(job, task, read, at))
                except OSError as error:
                    pipe.send(f"cannot write to {job.parts}: {error.strerror or error}")
    except DataError as error:
        pipe.send(str(error))
    except (EOFError, BrokenPipeError):
        return


@dataclass
class _Worker:
    slot: int
    process: Any
    pipe: Any
    task: Task | None = None
    seen: int = -1  # position when last looked at
    since: float = 0.0  # when it was first seen there


class Crew:
    """Workers that do tasks until none is left.

    Parameters
    ----------
    job : Job
    jobs : int
        Number of processes.
    """

    def __init__(self, job: Job, jobs: int):
        self.job = job
        self.done = self.refused = 0
        self._position = CONTEXT.RawArray("q", jobs)
        self._tasks: deque[Task] = deque()
        self._suspects: set[Entry] = set()
        self._idle_deaths = 0
        self._workers: list[_Worker] = []
        for slot in range(jobs):
            self._workers.append(self._start(slot))

    def run(self, tasks: list[Task], progress: Callable[[int, int], None]) -> None:
        """Do all `tasks`; `progress(done, refused)` is called a few times per second.

        Raises
        ------
        DataError
            If parts cannot be written, or workers die before they can do anything.
        """
        self._tasks.extend(tasks)
        try:
            while True:
                for worker in self._workers:
                    if not worker.task and self._tasks:
                        self._assign(worker)
                if not any(worker.task for worker in self._workers):
                    break
                progress(self.done + self._under_way(), self.refused)
                self._wait()
            progress(self.done, self.refused)
        finally:
            self.stop()

    def stop(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def _start(self, slot: int) -> _Worker:
        ours, theirs = CONTEXT.Pipe()
        self._position[slot] = -1
        process = CONTEXT.Process(target=_main, args=(self.job, theirs, self._position, slot), daemon=True)
        process.start()
        theirs.close()
        return _Worker(slot, process, ours)

    def _assign(self, worker: _Worker) -> None:
        self._position[worker.slot] = -1
        worker.task, worker.seen, worker.since = self._tasks.popleft(), -1, time.monotonic()
        with contextlib.suppress(OSError):  # it is dead then, as the next look at it will show
            worker.pipe.send(worker.task)

    def _under_way(self) -> int:
        return sum(max(self._position[worker.slot], 0) for worker in self._workers if worker.task)

    def _wait(self) -> None:
        """Handle answers, deaths and hangs, for at most a quarter of a second."""
        handles = {}
        for worker in self._workers:
            handles[worker.pipe] = worker
            handles[worker.process.sentinel] = worker
        ready = {id(handles[h]): handles[h] for h in multiprocessing.connection.wait(list(handles), timeout=0.25)}
        for worker in ready.values():
            self._answer(worker)
        now = time.monotonic()
        for worker in self._workers:
            position = self._position[worker.slot]
            if position != worker.seen:
                worker.seen, worker.since = position, now
            elif worker.task and now - worker.since > self.job.time_limit:
                worker.process.kill()
                worker.process.join()
                self._replace(worker, "timeout", f"no end after {self.job.time_limit:.0f} s")

    def _answer(self, worker: _Worker) -> None:
        try:
            answer = worker.pipe.recv() if worker.pipe.poll() else None
        except (EOFError, OSError):
            answer = None
        if isinstance(answer, str):
            raise DataError(answer)
        if answer is None:
            worker.process.join()
            code = worker.process.exitcode
            self._replace(worker, "crashed", f"signal {-code}" if code < 0 else f"exit code {code}")
            return
        images, refused = answer
        self.done, self.refused = self.done + images + refused, self.refused + refused
        self._idle_deaths = 0
        worker.task = None

    def _replace(self, worker: _Worker, reason: str, detail: str) -> None:
        """A worker died at an entry of its task, or was killed for hanging at it: see to all of them, start another."""
        number, task = self._position[worker.slot], worker.task
        if task and number >= 0:
            culprit = task.entries[number]
            rest = task.entries[:number] + task.entries[number + 1 :]
            alone = Task([culprit], task.row + len(rest))
            if culprit in self._suspects or reason == "timeout":
                write_part(self.job.parts, alone, [Result(culprit.name, culprit.stamp, reason, detail)], {})
                self.done, self.refused = self.done + 1, self.refused + 1
            else:
                self._suspects.add(culprit)
                self._tasks.append(alone)
            if rest:
                self._tasks.appendleft(Task(rest, task.row))
        else:
            self._idle_deaths += 1
            if self._idle_deaths > MAX_STARTS_WITHOUT_WORK:
                raise DataError(f"the processes that read images die before they begin ({detail})")
            if task:
                self._tasks.appendleft(task)
        worker.pipe.close()
        self._workers[self._workers.index(worker)] = self._start(worker.slot)
