"""Processes that crash, hang and never start: every task has an answer or is lost, and nothing is left running."""

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import time

import pytest

from common.process_pool import Lost, PoolError, ProcessPool

METHODS = ["spawn", pytest.param("fork", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only"))]


@contextlib.contextmanager
def opened():
    yield do


def do(task, at):
    for position, word in enumerate(task):
        at(position)
        if word == "crash":
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        elif word == "exit":
            os._exit(3)
        elif word == "hang":
            time.sleep(3600)
        elif word == "raise":
            os.close(2)  # nobody needs to see this traceback
            raise ValueError(word)
    return [word.upper() for word in task]


@contextlib.contextmanager
def dies():
    os._exit(4)
    yield


@contextlib.contextmanager
def sleeps():
    time.sleep(3600)
    yield


def pool(processes=2, **options):
    return ProcessPool(opened, processes, **{"time_limit": 30.0, "method": "fork", **options})


def outcomes(tasks, **options):
    with pool(**options) as processes:
        return {" ".join(task): outcome for task, outcome in processes.run(tasks)}


@pytest.mark.parametrize("method", METHODS)
def test_all_tasks_are_answered_whatever_their_number(method):
    tasks = [[f"a{i}", "b"] for i in range(7)]
    assert outcomes(tasks, method=method) == {f"a{i} b": [f"A{i}", "B"] for i in range(7)}
    assert outcomes([], method=method) == {}


@pytest.mark.parametrize(
    ("word", "detail"), [("crash", "signal 11"), ("exit", "exit code 3"), ("raise", "exit code 1")]
)
def test_a_process_that_dies_loses_its_task_alone_and_says_where(word, detail):
    found = outcomes([["a"], ["b", word, "c"], ["d"]], processes=1)
    assert found == {"a": ["A"], f"b {word} c": Lost(False, 1, detail), "d": ["D"]}


def test_a_process_that_hangs_is_killed_after_its_time():
    began = time.monotonic()
    found = outcomes([["a", "b", "hang"], ["c"]], time_limit=0.3)
    assert found == {"a b hang": Lost(True, 2, "no end after 0.3 s"), "c": ["C"]}
    assert time.monotonic() - began < 30


def test_tasks_can_be_added_for_what_was_lost():
    found = []
    with pool(1) as processes:
        for task, outcome in processes.run([["a", "exit", "b"]]):
            if isinstance(outcome, Lost):
                processes.put(task[: outcome.position])
                processes.put(task[outcome.position + 1 :])
            else:
                found += outcome
    assert sorted(found) == ["A", "B"]


@pytest.mark.parametrize(("opening", "detail"), [(dies, "exit code 4"), (sleeps, "no end after 0.1 s")])
def test_processes_that_never_begin_end_the_run(opening, detail):
    processes = ProcessPool(opening, 1, time_limit=0.1, start_limit=0.1, method="fork")
    with pytest.raises(PoolError, match=detail), processes:
        list(processes.run([["a"]]))


def test_tasks_are_taken_as_processes_become_free():
    taken = []

    def tasks():
        for i in range(20):
            taken.append(i)
            yield [str(i)]

    with pool(2) as processes:
        for done, _ in enumerate(processes.run(tasks()), start=1):
            assert len(taken) <= done + 3


def test_the_tick_sees_how_far_tasks_are():
    seen = []
    with pool(1, time_limit=1.0) as processes:
        for _ in processes.run([["a", "b", "hang"]], tick=lambda: seen.append(processes.under_way())):
            pass
    assert seen[0] == 0 and seen[-1] == 2


def test_nothing_is_left_running_when_the_caller_stops_early():
    with contextlib.suppress(KeyboardInterrupt), pool(2) as processes:
        for _ in processes.run([["a"], ["hang"]]):
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()
