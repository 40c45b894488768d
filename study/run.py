"""`python -m study.run --space FILE`: runs a study from its search-space file to the ranked table."""

from __future__ import annotations

import argparse
import contextlib
import functools
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from common.command import run_command
from common.errors import EXIT_OK, InputError
from study.cluster.ray_session import quiet_environment
from study.config import Study, load_study
from study.storage.disk_errors import StudyHaltedError, storage_fault
from study.tasks.registry import task_of

if TYPE_CHECKING:
    from study.cluster.placement import Node
    from study.storage.study_folder import StudyFolder
    from study.tasks.split import DatasetSplit

quiet_environment()


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    p = argparse.ArgumentParser(
        prog="python -m study.run",
        description="Search for the settings whose galaxies follow the real ones: trains, measures, ranks.",
    )
    p.add_argument("--space", required=True, metavar="FILE", help="search-space file (YAML)")
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a value of the file, such as train.epochs=50; may be repeated",
    )
    p.add_argument("--dry-run", action="store_true", help="print the resolved plan and expected time, start nothing")
    p.add_argument("--smoke", action="store_true", help="shrink to minutes on a laptop CPU, synthetic galaxies")
    p.add_argument("--resume", action="store_true", help="continue a study that was interrupted")
    p.add_argument("--finish", action="store_true", help="with --resume: train no more, judge what there is")
    p.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    p.add_argument("--storage", metavar="URI", help="s3://BUCKET/FOLDER: for nodes that share no disk")
    p.add_argument("--address", metavar="ADDRESS", help="join a running Ray cluster (`auto`: the one on this machine)")
    p.add_argument("--tracking-uri", metavar="URI", help="MLflow store (default: sqlite in the results folder)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_command(
        parser(),
        given,
        functools.partial(_run, command=_resume(given)),
        interrupted="interrupted; nothing is lost. To continue:",
        go_on=_resume,
        explain=_explain,
    )


def _resume(given: list[str]) -> str:
    """Return the command that continues the study."""
    return "python -m study.run " + shlex.join([*(word for word in given if word != "--resume"), "--resume"])


def _explain(error: BaseException) -> str | None:
    reason = str(error) if isinstance(error, StudyHaltedError) else storage_fault(error)
    if reason is None:
        return None
    return f"the study cannot go on: {reason}\nWhat was saved is kept. When that is mended, continue with:"


def _run(options: argparse.Namespace, command: str) -> int:
    if options.finish and not options.resume:
        raise InputError("--finish ends a study that was begun: give --resume with it")
    study, console = load_study(options.space, options.overrides, smoke=options.smoke), make_console()
    return dry_run(study, console) if options.dry_run else run(study, options, console, command)


def make_console() -> Console:
    """Return a console as wide as the terminal; in a file or a pipe, wide enough for one line per fact."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


def dry_run(study: Study, console: Console) -> int:
    """Print the plan, and what would stop a real run."""
    from study.cluster.placement import Placement, local_node, place
    from study.search import plan

    task = task_of(study)
    task.images.check_networks()
    problems = [problem for problem in [task.images.missing()] if problem]
    placement = None
    nodes = (local_node(),)
    try:
        placement = place(study, nodes)
    except InputError as error:
        problems.append(str(error))
    described, images = task.images.expected(problems)
    calibrated = placement or Placement(1, max(1, int(study.resources.cpus_per_worker)), nodes)
    cost = task.cost.calibrate(calibrated)
    seconds = plan.expected_seconds(study, calibrated, cost, images)
    plan.show(console, plan.rows(study, task.cost.planned(), placement, described, seconds, cost))
    for problem in problems:
        console.print(f"a real run would stop: {problem}", style="yellow", markup=False, soft_wrap=True)
    return EXIT_OK


def run(study: Study, options: argparse.Namespace, console: Console, command: str) -> int:
    """Run or continue a study; `command` is what continues it."""
    from study.cluster.placement import place
    from study.storage.object_store import bring
    from study.storage.study_folder import StudyFolder
    from study.tracking.credentials import without_password

    started = time.time()
    folder = StudyFolder(Path(options.results), study)
    folder.check_writable()
    task = task_of(study)
    task.images.check_networks()
    if problem := task.images.missing():
        raise InputError(problem)
    folder.mirror = bring(options.storage, folder.path)
    uri = _mlflow_store(options, folder)
    placement = place(study, _nodes(options.address, console))
    if study.smoke:
        console.print("smoke run: synthetic galaxies, everything shrunk; runs are tagged `smoke`, numbers mean nothing")
    folder.check(resume=options.resume, command=command)
    if options.address:
        preflight(study, options)
    images = task.images.open(folder.cache)
    from study.search.study_run import StudyRun  # starts slowly: when nothing is wrong with the input

    with _taken(folder, images):
        folder.save(tracking_uri=without_password(uri))
        return StudyRun(
            study, folder, images, placement, uri, console, started, address=options.address, finish=options.finish
        ).run()


def _mlflow_store(options: argparse.Namespace, folder: StudyFolder) -> str:
    from study.tracking.credentials import tracking_uri
    from study.tracking.mlflow_store import check_reachable, default_uri

    embedded = default_uri(folder.results)
    uri = tracking_uri(options.tracking_uri, folder.saved("tracking_uri"), embedded)
    if uri != embedded:
        check_reachable(uri)
    return uri


def _nodes(address: str | None, console: Console) -> tuple[Node, ...]:
    """Return this machine, or the nodes of the cluster that is joined."""
    from study.cluster import ray_session
    from study.cluster.placement import local_node

    if not address:
        return (local_node(),)
    nodes = ray_session.start(address, None)
    if not ray_session.protected():
        console.print(ray_session.OPEN, markup=False, soft_wrap=True)
    return nodes


def preflight(study: Study, options: argparse.Namespace) -> None:
    """Refuse a cluster with nodes that cannot take trials."""
    from study.cluster.preflight import check_cluster
    from study.trials.worker import logical_gpus

    results = None if options.storage else Path(options.results).resolve()
    own = study.data.set if results and study.data.set != "synthetic" else None
    files = [Path(own).resolve() / "manifest.json"] if own else []
    check_cluster(
        options.address, results, files=files, gpus=study.resources.gpus_per_worker > 0 and not logical_gpus()
    )


@contextlib.contextmanager
def _taken(folder: StudyFolder, images: DatasetSplit) -> Iterator[None]:
    """Hold the study's folder; refuses other images than the study was begun with."""
    folder.open()
    try:
        if folder.state.setdefault("content", images.content) != images.content:
            raise InputError(f"--resume: the set {images.path} is not the one that the study was begun with")
        yield
    finally:
        folder.release()


if __name__ == "__main__":
    sys.exit(main())
