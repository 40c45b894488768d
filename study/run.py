"""`python -m study.run --space FILE`: runs a study from its search-space file to the ranked table."""

from __future__ import annotations

import argparse
import functools
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from study.cluster.ray_session import quiet_environment
from study.config.errors import EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, InputError
from study.config.study import Study, load_study
from study.storage.disk_errors import StudyHaltedError, storage_fault

quiet_environment()

SPARE_FINALISTS = 2
"""Trials more than finalists whose checkpoints are fetched from a store, should one be damaged."""

SHORT_PATIENCE_S = 10.0
"""For MLflow, when a study is interrupted: `--resume` sends what is missing."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
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
    return p  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(given)
    console, errors = make_console(), Console(stderr=True, highlight=False)
    listen()
    command = "python -m study.run " + shlex.join([a for a in given if a != "--resume"] + ["--resume"])
    try:
        if options.finish and not options.resume:
            raise InputError("--finish ends a study that was begun: give --resume with it")
        study = load_study(options.space, options.overrides, smoke=options.smoke)
        if options.dry_run:
            return dry_run(study, options, console)
        return run(study, options, console, command)
    except InputError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return EXIT_INPUT
    except KeyboardInterrupt:
        errors.print(f"\ninterrupted; nothing is lost. To continue:\n  {command}", markup=False, soft_wrap=True)
        return EXIT_INTERRUPTED
    except Exception as error:
        reason = str(error) if isinstance(error, StudyHaltedError) else storage_fault(error)
        if reason is None:
            raise
        message = (
            f"\nerror: the study cannot go on: {reason}\nWhat was saved is kept. When that is mended, continue with"
        )
        errors.print(f"{message}:\n  {command}", markup=False, soft_wrap=True)
        return EXIT_FAILED


def listen() -> None:
    """Take SIGTERM as Ctrl-C is taken; Ray puts a handler of its own in place, so this is called after it too."""
    signal.signal(signal.SIGTERM, _interrupt)


def make_console() -> Console:
    """A console as wide as the terminal; in a file or a pipe, wide enough for one line per fact."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=140)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def dry_run(study: Study, options: argparse.Namespace, console: Console) -> int:
    """Print the plan; says what would stop a real run."""
    from study.cluster.placement import Placement, local_node, place
    from study.search import plan

    study.kind.check_networks(study)
    problems = [p for p in [study.kind.missing(study)] if p]
    placement = None
    nodes = (local_node(),)
    try:
        placement = place(study, nodes)
    except InputError as error:
        problems.append(str(error))
    described, images = study.kind.expected(study, problems)
    calibrated = placement or Placement(1, max(1, int(study.resources.cpus_per_worker)), nodes)
    cost = study.kind.calibrate(study, calibrated)
    seconds = plan.expected_seconds(study, calibrated, cost, images)
    show_plan(console, plan.rows(study, placement, described, seconds, cost))
    for problem in problems:
        console.print(f"a real run would stop: {problem}", style="yellow", markup=False, soft_wrap=True)
    return EXIT_OK


def show_plan(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print the plan."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, text in rows:
        table.add_row(name, text)
    console.print(table)


def run(study: Study, options: argparse.Namespace, console: Console, command: str) -> int:
    """Run or continue a study."""
    from study.cluster import ray_session
    from study.cluster.placement import local_node, place
    from study.storage.object_store import bring
    from study.storage.study_folder import StudyFolder
    from study.tracking.credentials import tracking_uri, without_password
    from study.tracking.mlflow_store import check_reachable, default_uri

    started = time.time()
    folder = StudyFolder(Path(options.results), study)
    folder.check_writable()
    study.kind.check_networks(study)
    problem = study.kind.missing(study)
    if problem:
        raise InputError(problem)
    folder.mirror = bring(options.storage, folder.path)
    embedded = default_uri(folder.results)
    uri = tracking_uri(options.tracking_uri, folder.saved("tracking_uri"), embedded)
    if uri != embedded:
        check_reachable(uri)
    nodes = ray_session.start(options.address, None) if options.address else (local_node(),)
    if options.address and not ray_session.protected():
        console.print(ray_session.OPEN, markup=False, soft_wrap=True)
    placement = place(study, nodes)
    if study.smoke:
        console.print("smoke run: synthetic galaxies, everything shrunk; runs are tagged `smoke`, numbers mean nothing")
    folder.check(resume=options.resume, command=command)
    if options.address:
        preflight(study, options)
    material = study.kind.open(study, folder.cache)
    folder.open()
    if folder.state.setdefault("content", material.content) != material.content:
        folder.release()
        raise InputError(f"--resume: the set {material.path} is not the one that the study was begun with")
    try:
        folder.save(tracking_uri=without_password(uri))
        return _run(study, options, console, folder, material, placement, uri, started)
    finally:
        folder.release()


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


def _run(
    study: Study, options: argparse.Namespace, console: Console, folder: Any, material: Any,
    placement: Any, uri: str, started: float,
) -> int:  # fmt: skip
    from common.atomic import atomically
    from study.cluster import ray_session
    from study.results.environment import environment_json
    from study.results.history import finished
    from study.search import plan
    from study.search.mlflow_backfill import send_missing
    from study.search.searcher import close_unfinished, open_history
    from study.storage.object_store import send_inputs
    from study.tracking.credentials import without_password
    from study.tracking.mlflow_tracker import CLOSE_TIMEOUT_S, Tracker

    history = open_history(study, folder.database)
    if folder.state.get("ended") and (options.finish or len(finished(history)) >= study.trials):
        if not folder.state.get("unsent"):
            console.print(f"{folder.path}: this study is finished; nothing to do")
            return _show_end(study, history, console, folder, uri)
        console.print(f"{folder.path}: this study is finished; sending MLflow what it has not got yet")
    reference = _prepare(study, console, folder, material)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    tracker = Tracker(uri, study, folder.state["study_id"], folder.results / "artifacts", say)
    facts = environment_json()
    atomically(folder.path / "environment.json", lambda path: path.write_text(facts))
    send_inputs(folder.mirror, material.path, study.kind.settings(study).get("stage1"))
    tracker.start({"study.yaml": study.as_yaml(), "environment.json": facts})
    status, patience = "KILLED", SHORT_PATIENCE_S
    try:
        if options.finish:
            close_unfinished(history)
        send_missing(study, history, folder.trials, tracker)
        if not options.address and not folder.state.get("ended"):
            ray_session.start(None, placement)
        listen()
        ray_session.silence()
        show_plan(console, plan.rows(study, placement, material.describe(), None, None))
        _say_if_long(study, console, placement, material)
        if not options.finish and len(finished(history)) < study.trials:
            capacity = ray_session.Capacity(study, say) if options.address else None
            _search(study, history, folder, material, placement, tracker, console, capacity)
        _finish(study, history, folder, material, reference, placement, tracker, console)
        status, patience = "FINISHED", CLOSE_TIMEOUT_S
    finally:
        ray_session.stop()
        unsent = tracker.close(status, patience)
        if unsent:
            say(
                f"MLflow at {without_password(uri)} did not take {unsent} message(s); "
                "the results folder holds everything, and --resume sends it"
            )
    folder.save(ended=time.time(), unsent=unsent)
    if folder.mirror:
        folder.mirror.push_driver()
    console.print(f"\ntook {plan.duration(time.time() - started)}")
    return _show_end(study, history, console, folder, uri)


def _prepare(study: Study, console: Console, folder: Any, material: Any) -> Any:
    """Write split and reference catalogue where all workers find them; returns the catalogue."""
    import numpy as np

    from common.atomic import atomically
    from eval.catalogue import write_catalogue

    path = folder.path / "split.npz"
    if not path.exists():

        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                np.savez(file, **material.parts)

        atomically(path, write)
    with console.status("measuring the reference galaxies") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"measuring the reference galaxies: {done:,} of {total:,}")

        catalogue = study.kind.measure_reference(study, material, folder.cache, progress)
    if catalogue is not None:
        write_catalogue(catalogue, folder.path / "reference.parquet")
    return catalogue


def _say_if_long(study: Study, console: Console, placement: Any, material: Any) -> None:
    from study.search import plan

    cost = study.kind.calibrate(study, placement)
    seconds = plan.expected_seconds(study, placement, cost, len(material.train))
    console.print(f"expected time: about {plan.duration(seconds)}")
    if seconds > plan.UNREASONABLE_S:
        console.print(
            "this is long for this machine: --smoke tries the whole way in minutes; Ctrl-C stops, --resume continues"
        )


def _search(
    study: Study, history: Any, folder: Any, material: Any, placement: Any, tracker: Any, console: Console,
    capacity: Any,
) -> None:  # fmt: skip
    from study.results.trials import progress_counts
    from study.search.loop import search
    from study.search.progress import Progress

    settings = _settings(study, folder, material, placement)
    metric = study.objective.metrics[0]

    def in_words(cost: float) -> str:
        return f"{study.kind.heading(metric)} {study.kind.shown(metric, cost):.3f}"

    with Progress(console, study.trials, progress_counts(history), in_words) as shown:
        search(study, history, settings, placement, folder.path, tracker=tracker, progress=shown, capacity=capacity)


def _settings(study: Study, folder: Any, material: Any, placement: Any) -> dict[str, Any]:
    from study.trials.trainable import job_settings

    storage = folder.mirror and folder.mirror.uri
    return {"storage": storage} | job_settings(
        study,
        galaxy_set=material.path,
        split=folder.path / "split.npz",
        reference=folder.path / "reference.parquet",
        folder=folder.trials,
        threads=placement.threads,
    )


def _finish(
    study: Study,
    history: Any,
    folder: Any,
    material: Any,
    catalogue: Any,
    placement: Any,
    tracker: Any,
    console: Console,
) -> None:
    """Judge the finalists, keep the best checkpoint, hand both to MLflow."""
    from study.results.trials import collect
    from study.search.finalists import judge_finalists, keep_best
    from study.storage.object_store import bring_best

    def done(row: Any, metrics: dict[str, float]) -> None:
        share, expected = (metrics.get(f"memorisation/in_training{k}") for k in ("", "_expected"))
        copied = f", nearest real image is a training one for {share:.1%} (expected {expected:.1%})" if expected else ""
        name = study.objective.metrics[0]
        value = study.kind.shown(name, study.kind.objectives(metrics, (name,))[name])
        console.print(f"finalist {row.name}: {name} {value:.3f}{copied}")

    rows = collect(study, history, folder.path)
    bring_best(folder.mirror, rows[: study.objective.finalists + SPARE_FINALISTS])
    with console.status("judging the finalists"):
        cpus = int(sum(node.cpus for node in placement.nodes))
        settings = _settings(study, folder, material, placement)
        judge = study.kind.final_judge(study, material, catalogue, settings, cpus)
        judge_finalists(study, rows, folder.path, judge=judge, done=done, say=console.print)
    rows = collect(study, history, folder.path)
    for row in rows:
        if row.final is not None:
            home = folder.path / "finalists" / row.name
            study.kind.draw(home, study)
            files = {f"final/{p.name}": p for p in sorted(home.iterdir()) if p.suffix in (".png", ".json", ".parquet")}
            found = {f"final/{k}": v for k, v in row.final["metrics"].items()}
            tracker.log_files(row.name, files, found, found=row.final.get("time", 0.0))
    best = keep_best(rows[0], folder.path) if rows else None
    if best:
        at = (rows[0].final or rows[0].best or {}).get("time", 0.0)
        tracker.log_files(rows[0].name, {"model/checkpoint.pt": best})
        tracker.log_files(None, {"model/checkpoint.pt": best}, {"best/objective": rows[0].score}, found=at)


def _show_end(study: Study, history: Any, console: Console, folder: Any, uri: str) -> int:
    from study.results.summary import show
    from study.results.trials import collect
    from study.tracking.credentials import without_password

    rows = collect(study, history, folder.path)
    best = folder.path / "best" / "checkpoint.pt"
    server = uri.startswith("http")
    ui = (
        f"open {without_password(uri)}"
        if server
        else f"mlflow ui --backend-store-uri {without_password(uri)} --port 5000"
    )
    show(console, study, rows, folder.path, best=best if best.exists() else None, ui=ui)
    return EXIT_OK if any(row.ending in ("complete", "stopped early", "diverged") for row in rows) else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
