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

from study.cluster import quiet_environment
from study.config import Study, load_study
from study.errors import EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, InputError
from study.faults import storage_fault

quiet_environment()

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
        reason = storage_fault(error)
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
    from study import galaxies, plan

    galaxies.check_networks(study)
    problems = [p for p in [galaxies.missing(study)] if p]
    placement = None
    nodes = (plan.local_node(),)
    try:
        placement = plan.place(study, nodes)
    except InputError as error:
        problems.append(str(error))
    described, images = _galaxies_line(study, problems)
    calibrated = placement or plan.Placement(1, max(1, int(study.resources.cpus_per_worker)), nodes)
    cost = plan.calibrate(study, calibrated)
    seconds = plan.expected_seconds(study, calibrated, cost, images)
    show_plan(console, plan.rows(study, placement, described, seconds, cost))
    for problem in problems:
        console.print(f"a real run would stop: {problem}", style="yellow", markup=False, soft_wrap=True)
    return EXIT_OK


def _galaxies_line(study: Study, problems: list[str]) -> tuple[str, int]:
    """The plan's line on galaxies, and how many to train on; the paper's number where the set is not there."""
    from study.galaxies import MOST_HELD_OUT, SYNTHETIC

    count, name = study.data.synthetic_count, "synthetic galaxies, drawn when the study starts"
    if study.data.set != SYNTHETIC:
        from gan.data import GalaxySet

        count = 61_578 if problems and "data" in problems[0] else len(GalaxySet.open(study.data.set))
        name = f"{study.data.set}" + (" (absent: the paper's 61,578 assumed)" if problems and count == 61_578 else "")
    held = study.data.held_out or min(study.objective.samples, int(count * MOST_HELD_OUT))
    return f"{name}: {count - held:,} to train on, {held:,} held out as reference", count - held


def show_plan(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print the plan."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    for name, text in rows:
        table.add_row(name, text)
    console.print(table)


def run(study: Study, options: argparse.Namespace, console: Console, command: str) -> int:
    """Run or continue a study."""
    from study import cluster, galaxies, plan
    from study.store import StudyFolder
    from study.tracking import check_reachable, default_uri

    started = time.time()
    folder = StudyFolder(Path(options.results), study)
    folder.check_writable()
    galaxies.check_networks(study)
    problem = galaxies.missing(study)
    if problem:
        raise InputError(problem)
    uri = options.tracking_uri or folder.saved("tracking_uri")
    if uri:
        check_reachable(uri)
    nodes = cluster.start(options.address, None) if options.address else (plan.local_node(),)
    placement = plan.place(study, nodes)
    if study.smoke:
        console.print("smoke run: synthetic galaxies, everything shrunk; runs are tagged `smoke`, numbers mean nothing")
    folder.check(resume=options.resume, command=command)
    material = galaxies.open_galaxies(study, folder.cache)
    folder.open()
    if folder.state.setdefault("content", material.content) != material.content:
        folder.release()
        raise InputError(f"--resume: the galaxy set {material.path} is not the one that the study was begun with")
    try:
        uri = uri or default_uri(folder.results)
        folder.save(tracking_uri=uri)
        return _run(study, options, console, folder, material, placement, uri, started)
    finally:
        folder.release()


def _run(
    study: Study, options: argparse.Namespace, console: Console, folder: Any, material: Any,
    placement: Any, uri: str, started: float,
) -> int:  # fmt: skip
    from study import cluster, plan
    from study.catch_up import send_missing
    from study.evaluate import atomically
    from study.search import close_unfinished, finished, open_history
    from study.tracking import CLOSE_TIMEOUT_S, Tracker, environment_json, without_password

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
    tracker.start({"study.yaml": study.as_yaml(), "environment.json": facts})
    status, patience = "KILLED", SHORT_PATIENCE_S
    try:
        if options.finish:
            close_unfinished(history)
        send_missing(study, history, folder.trials, tracker)
        if not options.address and not folder.state.get("ended"):
            cluster.start(None, placement)
        listen()
        cluster.silence()
        show_plan(console, plan.rows(study, placement, material.describe(), None, None))
        _say_if_long(study, console, placement, material)
        if not options.finish and len(finished(history)) < study.trials:
            _search(study, history, folder, material, placement, tracker, console)
        _finish(study, history, folder, material, reference, placement, tracker, console)
        status, patience = "FINISHED", CLOSE_TIMEOUT_S
    finally:
        cluster.stop()
        unsent = tracker.close(status, patience)
        if unsent:
            say(
                f"MLflow at {without_password(uri)} did not take {unsent} message(s); "
                "the results folder holds everything, and --resume sends it"
            )
    folder.save(ended=time.time(), unsent=unsent)
    console.print(f"\ntook {plan.duration(time.time() - started)}")
    return _show_end(study, history, console, folder, uri)


def _prepare(study: Study, console: Console, folder: Any, material: Any) -> Any:
    """Write split and reference catalogue where all workers find them; returns the catalogue."""
    import numpy as np

    from eval.catalogue import write_catalogue
    from study.evaluate import atomically
    from study.galaxies import reference_catalogue

    path = folder.path / "split.npz"
    if not path.exists():

        def write(partial: Path) -> None:
            with open(partial, "wb") as file:
                np.savez(file, train=material.train, reference=material.reference)

        atomically(path, write)
    with console.status("measuring the reference galaxies") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"measuring the reference galaxies: {done:,} of {total:,}")

        catalogue = reference_catalogue(study, material, folder.cache, progress)
    write_catalogue(catalogue, folder.path / "reference.parquet")
    return catalogue


def _say_if_long(study: Study, console: Console, placement: Any, material: Any) -> None:
    from study import plan

    cost = plan.calibrate(study, placement)
    seconds = plan.expected_seconds(study, placement, cost, len(material.train))
    console.print(f"expected time: about {plan.duration(seconds)}")
    if seconds > plan.UNREASONABLE_S:
        console.print(
            "this is long for this machine: --smoke tries the whole way in minutes; Ctrl-C stops, --resume continues"
        )


def _search(
    study: Study, history: Any, folder: Any, material: Any, placement: Any, tracker: Any, console: Console
) -> None:
    from study.progress import Progress
    from study.results import progress_counts
    from study.search_loop import search

    settings = _settings(study, folder, material, placement)
    with Progress(console, study.trials, progress_counts(history)) as progress:
        search(study, history, settings, placement, folder.path, tracker=tracker, progress=progress)


def _settings(study: Study, folder: Any, material: Any, placement: Any) -> dict[str, Any]:
    from study.trial import job_settings

    return job_settings(
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
    from study.evaluate import objectives
    from study.finalists import judge_finalists, keep_best, reference_of
    from study.pictures import draw_histograms
    from study.results import collect

    def done(row: Any, metrics: dict[str, float]) -> None:
        share, expected = (metrics.get(f"memorisation/in_training{k}") for k in ("", "_expected"))
        copied = f", nearest real image is a training one for {share:.1%} (expected {expected:.1%})" if expected else ""
        objective = objectives(metrics, study.objective.metrics)[study.objective.metrics[0]]
        console.print(f"finalist {row.name}: objective {objective:.3f}{copied}")

    rows = collect(study, history, folder.path)
    with console.status("judging the finalists"):
        cpus = int(sum(node.cpus for node in placement.nodes))
        reference = reference_of(study, material, catalogue)
        settings = _settings(study, folder, material, placement)
        judge_finalists(study, rows, reference, folder.path, settings=settings, cpus=cpus, done=done, say=console.print)
    rows = collect(study, history, folder.path)
    for row in rows:
        if row.final is not None:
            home = folder.path / "finalists" / row.name
            draw_histograms(home, study)
            files = {f"final/{p.name}": p for p in sorted(home.iterdir()) if p.suffix in (".png", ".json", ".parquet")}
            found = {f"final/{k}": v for k, v in row.final["metrics"].items()}
            tracker.log_files(row.name, files, found, found=row.final.get("time", 0.0))
    best = keep_best(rows[0], folder.path) if rows else None
    if best:
        at = (rows[0].final or rows[0].best or {}).get("time", 0.0)
        tracker.log_files(rows[0].name, {"model/checkpoint.pt": best})
        tracker.log_files(None, {"model/checkpoint.pt": best}, {"best/objective": rows[0].score}, found=at)


def _show_end(study: Study, history: Any, console: Console, folder: Any, uri: str) -> int:
    from study.results import collect
    from study.summary import show
    from study.tracking import without_password

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
