"""Processes that do tasks one by one and are killed when they hang: for code that may crash or never end.

`concurrent.futures` gives up the whole pool when one process dies and cannot stop one that hangs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")
At = Callable[[int], None]
Do = Callable[[Task, At], Answer]

LOOK_EVERY_S = 0.25
MOST_FAILED_STARTS = 3
"""In a row, without an answer in between."""


class PoolError(RuntimeError):
    """The processes die or hang before they begin; the message says how they ended."""


@dataclass(frozen=True)
class Lost:
    """A task whose process died, or was killed because it hung.

    Attributes
    ----------
    timed_out : bool
        Whether it hung.
    position : int
        What the process said last of where in the task it was, 0 at first.
    detail : str
        How it ended: "signal 11", "exit code 1", "no end after 60 s".
    """

    timed_out: bool
    position: int
    detail: str


@dataclass
class _Worker(Generic[Task]):
    slot: int
    process: Any
    pipe: Any
    since: float  # when it began what it is doing now: starting, or the position in its task
    started: bool = False
    task: Task | None = None
    position: int = -1  # when last looked at


class ProcessPool(Generic[Task, Answer]):
    """Processes that each do one task at a time; a context manager that kills them at its end.

    A process that dies or hangs is replaced by a new one. An exception that leaves `do` ends the process: what is
    expected to go wrong is part of the answer.

    Parameters
    ----------
    opened : callable
        Called in every process; returns a context manager that yields `do(task, at) -> answer`. `do` may call
        `at(position)` to say where in the task it is. With `method` "spawn" it must be picklable.
    processes : int
        How many, 1 or more.
    time_limit : float
        Seconds that a process may stay at one position of a task.
    start_limit : float
        Seconds that a process may take to start.
    method : {"fork", "spawn"}
        How processes start. "fork" takes milliseconds and is safe only on Linux.
    """

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Do[Task, Answer]]],
        processes: int,
        *,
        time_limit: float,
        start_limit: float = 120.0,
        method: Literal["fork", "spawn"] = "spawn",
    ):
        self._opened, self._limit, self._start_limit = opened, time_limit, start_limit
        self._context: Any = multiprocessing.get_context(method)
        self._position = self._context.RawArray("q", processes)
        self._again: deque[Task] = deque()
        self._failed_starts = 0
        self._workers: list[_Worker[Task]] = []

    def __enter__(self) -> ProcessPool[Task, Answer]:
        return self

    def __exit__(self, *_: Any) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def put(self, task: Task) -> None:
        """Add a task, to be done next; only while `run` is going on."""
        self._again.appendleft(task)

    def under_way(self) -> int:
        """Return the sum of the positions in the tasks that are being done now."""
        return sum(max(self._position[worker.slot], 0) for worker in self._workers if worker.task is not None)

    def run(
        self, tasks: Iterable[Task], *, tick: Callable[[], object] = lambda: None
    ) -> Iterator[tuple[Task, Answer | Lost]]:
        """Do all tasks; yield each with its answer, as they are done.

        Parameters
        ----------
        tasks : iterable
            Taken from as processes become free.
        tick : callable
            Called about four times per second.

        Raises
        ------
        PoolError
            If several processes in a row die or hang before they begin.
        """
        waiting = iter(tasks)
        task = self._next(waiting)
        if task is not None:
            self._workers = [self._start(slot) for slot in range(len(self._position))]
        while task is not None or any(worker.task is not None for worker in self._workers):
            for worker in self._workers:
                if task is not None and worker.started and worker.task is None:
                    self._assign(worker, task)
                    task = self._next(waiting)
            tick()
            yield from self._look()
            if task is None:
                task = self._next(waiting)

    def _next(self, waiting: Iterator[Task]) -> Task | None:
        return self._again.popleft() if self._again else next(waiting, None)

    def _start(self, slot: int) -> _Worker[Task]:
        ours, theirs = self._context.Pipe()
        self._position[slot] = -1
        arguments = (self._opened, theirs, self._position, slot)
        process = self._context.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return _Worker(slot, process, ours, time.monotonic())

    def _assign(self, worker: _Worker[Task], task: Task) -> None:
        self._position[worker.slot] = worker.position = -1
        worker.task, worker.since = task, time.monotonic()
        with contextlib.suppress(OSError):  # it is dead then, as the next look at it will show
            worker.pipe.send(task)

    def _look(self) -> Iterator[tuple[Task, Answer | Lost]]:
        """Handle answers, deaths and hangs, for at most a quarter of a second."""
        handles = {handle: worker for worker in self._workers for handle in (worker.pipe, worker.process.sentinel)}
        ready = multiprocessing.connection.wait(list(handles), timeout=min(LOOK_EVERY_S, self._limit))
        for worker in {id(handles[handle]): handles[handle] for handle in ready}.values():
            yield from self._take(worker)
        now = time.monotonic()
        for worker in list(self._workers):
            position = self._position[worker.slot]
            limit = self._limit if worker.started else self._start_limit
            if position != worker.position:
                worker.position, worker.since = position, now
            elif (worker.task is not None or not worker.started) and now - worker.since > limit:
                worker.process.kill()
                yield from self._replace(worker, f"no end after {limit:g} s", timed_out=True)

    def _take(self, worker: _Worker[Task]) -> Iterator[tuple[Task, Answer | Lost]]:
        """Take what a process sent, or see to its death."""
        try:
            sent = worker.pipe.recv() if worker.pipe.poll() else None
        except (EOFError, OSError):
            sent = None
        if sent is None:
            worker.process.join()
            code = worker.process.exitcode
            yield from self._replace(worker, f"signal {-code}" if code < 0 else f"exit code {code}", timed_out=False)
        elif not worker.started:
            worker.started = True
        else:
            task, worker.task = worker.task, None
            self._failed_starts = 0
            assert task is not None
            yield task, sent[0]

    def _replace(self, worker: _Worker[Task], detail: str, *, timed_out: bool) -> Iterator[tuple[Task, Answer | Lost]]:
        """Start a process in place of one that is dead, and say what became of its task."""
        worker.process.join()
        worker.pipe.close()
        task, position = worker.task, self._position[worker.slot]
        if task is None or position < 0:
            self._failed_starts += 1
            if self._failed_starts > MOST_FAILED_STARTS:
                raise PoolError(detail)
            if task is not None:
                self.put(task)
        self._workers[self._workers.index(worker)] = self._start(worker.slot)
        if task is not None and position >= 0:
            yield task, Lost(timed_out, position, detail)


def _serve(opened: Callable[[], AbstractContextManager[Do[Any, Any]]], pipe: Any, position: Any, slot: int) -> None:
    """Body of a process: tasks in, answers out, until the pipe or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()

    def at(number: int) -> None:
        position[slot] = number

    with opened() as do:
        pipe.send(True)
        while True:
            try:
                while not pipe.poll(1.0):
                    if os.getppid() != parent:
                        return
                task = pipe.recv()
            except (EOFError, ConnectionError):
                return
            at(0)
            answer = do(task, at)
            with contextlib.suppress(BrokenPipeError):
                pipe.send((answer,))
