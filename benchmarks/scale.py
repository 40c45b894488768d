"""What a study of many trials costs its driver: per trial, in our code, in MLflow and in Ray Tune, as trials add up.

    python benchmarks/scale.py [--trials 1000] [--sampler tpe] [--mlflow URI]
    python benchmarks/scale.py --tune [--trials 1000] [--nodes 50]

Trials are a formula instead of a training: 8 evaluations, of which early stopping spares most trials the later ones.
Everything around it is the study's own code, driven as Ray Tune drives it: proposals from Optuna's database on disk,
successive halving, the MLflow thread, the progress lines. With `--tune` the same runs through Ray Tune itself, on a
cluster of simulated nodes (`ray.cluster_utils`), each a real raylet, all at once: about 0.4 GB of memory a node.
There "all of Tune's thread" holds the columns left of it but MLflow's thread, and Ray Tune itself.

Columns are milliseconds of processor time a trial, the mean over the 25 trials of each row. Waiting is not in it, but
a machine that is busy with other processes makes it several times larger. A cost that does not grow stays level.
"""

import argparse
import collections
import contextlib
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

SPACE = """\
study: scale
data: {{set: synthetic, synthetic_count: 240}}
model: {{width: 8}}
train: {{epochs: 80, dropout: {{placement: discriminator_last, p: 0.5, onset_epoch: 40}}}}
objective: {{samples: 50, every_epochs: 10}}
search: {{sampler: {sampler}, trials: {trials}, scheduler: {{name: asha, grace_epochs: 10, reduction_factor: 3}}}}
axes:
  train.dropout.onset_epoch: {{int: [0, 80], step: 10}}
  train.dropout.p: {{float: [0.1, 0.7]}}
  train.lr: {{float: [1.0e-5, 1.0e-3], log: true}}
  model.discriminator_width: {{choice: [8, 16, 32]}}
  train.dropout.end_epoch: {{int: [40, 80], step: 10, when: {{train.dropout.onset_epoch: {{below: 40}}}}}}
resources: {{cpus_per_worker: 1}}
"""
ROWS = (0, 75, 275, 475, 875, 975, 1975)
WINDOW = 25
EVALUATION_S = 1.0
"""Seconds between the reports of a stub, so that a trial lasts longer than the start of its process."""
SIMULATED = {
    "RAY_AUTH_MODE": "disabled",
    "REPORTER_UPDATE_INTERVAL_MS": "3600000",
    "METRICS_RECORD_INTERVAL_S": "3600",
    "RAY_DASHBOARD_AGENT_CHECK_PARENT_INTERVAL_S": "60",
    "RAY_worker_niceness": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_enable_metrics_collection": "false",
    "RAY_task_events_report_interval_ms": "0",
}
"""For many nodes on one machine: each has agents, whose statistics would leave nothing of its cores."""
AHEAD = -10
"""Niceness of the driver among them, for root: elsewhere it has a machine to itself, here it would starve."""


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=1000)
    options.add_argument("--sampler", default="tpe")
    options.add_argument("--mlflow", metavar="URI", help="tracking store (default: a SQLite file)")
    options.add_argument("--tune", action="store_true", help="through Ray Tune, on simulated nodes")
    options.add_argument("--nodes", type=int, default=50, help="of the simulated cluster, one CPU each")
    given = options.parse_args()
    from study.config import load_study

    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "scale.yaml"
        space.write_text(SPACE.format(trials=given.trials, sampler=given.sampler))
        study = load_study(str(space))
        clock = Clock()
        started = time.monotonic()
        (through_tune if given.tune else alone)(study, Path(folder), clock, given)
        print(f"{clock.trial} trials in {time.monotonic() - started:.0f} s")


class Clock:
    """Adds up where time goes, per trial."""

    def __init__(self) -> None:
        self.spent: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        self.trial = 0

    def around(self, owner: Any, method: str, label: str) -> None:
        """Time every call of `owner.method` under `label`, for the trial that is newest at the time."""
        plain = getattr(owner, method)
        self.spent[label]

        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return plain(*arguments, **named)
            finally:
                self.spent[label][self.trial] += time.thread_time() - started

        setattr(owner, method, timed)

    def next_trial(self) -> None:
        """The trial before has been dealt with; prints a row of means when it is the last of one."""
        self.trial += 1
        first = self.trial - WINDOW
        if first not in ROWS:
            return
        if first == 0:
            print("ms a trial     " + "".join(f"{label:>22}" for label in self.spent) + f"{'driver, MB':>12}")
        means = [sum(spent[t] for t in range(first, self.trial)) / WINDOW * 1000 for spent in self.spent.values()]
        cells = "".join(f"{mean:22.1f}" for mean in means)
        print(f"{f'{first + 1}-{self.trial}':15}{cells}{resident_mb():12.0f}", flush=True)


def resident_mb() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def objective(config: dict[str, Any], epoch: int) -> float:
    """A smooth function of the settings that falls with the epochs; no training."""
    train = config["train"]
    distance = (math.log10(train["lr"]) + 4) ** 2 + (train["dropout"]["p"] - 0.4) ** 2
    wander = math.sin(config["number"] * 12.9898 + epoch) * 0.02
    return 0.1 + 0.2 * distance + 0.5 * math.exp(-epoch / 30) + wander


def report(config: dict[str, Any], epoch: int, epochs: int) -> dict[str, Any]:
    """What a worker reports at an evaluation."""
    value = objective(config, epoch)
    losses = {"loss/generator": 1.0, "loss/discriminator": 1.0, "images_per_second": 100.0}
    metrics = {f"metric/{k}": value for k in range(30)}
    history = [{"epoch": e, "time": time.time(), **losses} for e in range(epoch - 9, epoch + 1)]
    facts = {"epoch": epoch, "objective": value, "objectives": {"ks_mean": value}, "final": epoch == epochs}
    return {**losses, **metrics, **facts, "history": history}


def watch(clock: Clock) -> None:
    """Time the parts of a study."""
    from study.search.asha import SuccessiveHalving
    from study.search.searcher import HistorySearch
    from study.tracking.mlflow_tracker import Tracker

    clock.around(HistorySearch, "suggest", "propose")
    clock.around(HistorySearch, "on_trial_result", "record")
    clock.around(HistorySearch, "on_trial_complete", "record")
    clock.around(SuccessiveHalving, "judge", "judge")
    clock.around(Tracker, "_deliver", "MLflow thread")


def make_parts(study: Any, folder: Path, uri: str | None) -> tuple[Any, ...]:
    """Optuna's history, tracker and progress of a study in `folder`."""
    from rich.console import Console

    from study.search.history import open_history
    from study.search.progress import Progress
    from study.tracking.mlflow_store import default_uri
    from study.tracking.mlflow_tracker import Tracker

    history = open_history(study, folder / "optuna.db")
    tracker = Tracker(uri or default_uri(folder), study, f"scale-{os.getpid()}", folder / "artifacts")
    tracker.start({})
    return history, tracker, Progress(Console(file=open(os.devnull, "w")), study.trials)


def alone(study: Any, folder: Path, clock: Clock, given: argparse.Namespace) -> None:
    """Drive the study's parts as Ray Tune would, one trial after the other."""
    from types import SimpleNamespace

    from study.search.asha import tune_scheduler
    from study.search.loop import Listener, make_halving
    from study.search.searcher import HistorySearch

    watch(clock)
    history, tracker, progress = make_parts(study, folder, given.mlflow)
    search, halving = HistorySearch(study, history), make_halving(study)
    scheduler = tune_scheduler(halving)
    listener = Listener(tracker, progress)
    epochs = study.train.epochs
    while isinstance(config := search.suggest(f"t{clock.trial}"), dict):
        trial = SimpleNamespace(config=config, last_result=None, path=str(folder))
        name = f"t{clock.trial}"
        listener.on_trial_start(0, [], trial)
        for epoch in range(10, epochs + 1, 10):
            trial.last_result = report(config, epoch, epochs)
            decision = scheduler.on_trial_result(None, trial, trial.last_result)
            search.on_trial_result(name, trial.last_result)
            listener.on_trial_result(0, [], trial, trial.last_result)
            if decision == scheduler.STOP:
                break
        search.on_trial_complete(name, trial.last_result)
        listener.on_trial_complete(0, [], trial)
        while tracker._queue.qsize():
            time.sleep(0.001)
        clock.next_trial()
    tracker.close("FINISHED")


def through_tune(study: Any, folder: Path, clock: Clock, given: argparse.Namespace) -> None:
    """Run the study by `study.search.loop.search` on a simulated cluster; every evaluation is a task on some node."""
    from study.cluster import ray_session as study_cluster

    for name, value in SIMULATED.items():
        os.environ.setdefault(name, value)
    study_cluster.quiet_environment()
    import ray
    from ray.cluster_utils import Cluster

    from study.cluster.placement import Node, Placement
    from study.search import loop
    from study.search.searcher import HistorySearch
    from study.storage.trial_files import TrialFiles
    from study.tasks.job import TrialSettings

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
    for _ in range(given.nodes):
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
    with contextlib.suppress(PermissionError):
        os.nice(AHEAD)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    study_cluster.silence()
    loop.run_trial = stub
    watch(clock)
    history, tracker, progress = make_parts(study, folder, given.mlflow)
    told, before = HistorySearch.on_trial_complete, [time.thread_time()]

    def ended(*arguments: Any, **named: Any) -> None:
        told(*arguments, **named)
        clock.spent["all of Tune's thread"][clock.trial] += time.thread_time() - before[0]
        before[0] = time.thread_time()
        clock.next_trial()

    HistorySearch.on_trial_complete = ended
    try:
        placement = Placement(given.nodes, 1, (Node(1.0, 0.0),) * given.nodes)
        settings = TrialSettings(
            files=TrialFiles.of_study(folder, folder, stage1=None),
            samples=1,
            every_epochs=10,
            engine="fast",
            metrics=("ks_mean",),
        )
        loop.search(study, history, settings, placement, folder, tracker=tracker, progress=progress)
        tracker.close("FINISHED")
    finally:
        ray.shutdown()
        cluster.shutdown()


def stub(config: dict[str, Any], settings: dict[str, Any]) -> None:
    """A trial that only reports: what `study.trials.trainable.run_trial` is for a study."""
    import ray
    from ray import tune

    epochs = config["train"]["epochs"]
    evaluate = ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(report)
    for epoch in range(10, epochs + 1, 10):
        time.sleep(EVALUATION_S)
        tune.report(ray.get(evaluate.remote(config, epoch, epochs)))


if __name__ == "__main__":
    main()
