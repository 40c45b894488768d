"""Images per second of the training loop inside a study's trial, over those of the bare loop.

    python benchmarks/ray_loop.py [--width 32] [--epochs 6] [--rounds 3] [--threads 1]

Each round trains the same networks on the same synthetic galaxies for the same epochs, once as a plain
`gan.training.trainer.Trainer` in a process of its own and once as a trial of `study.run` (Ray Tune, Ray Train, one
worker, no evaluation until the end), and takes the median rate over the epochs after the first.
Prints the ratio of each round and their median.

By default the loop has one CPU less than the machine, because Ray's own processes need some of one: the two threads of
a loop that fills a machine of two wait for each other whenever one of them has to make way.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SPACE = """\
study: loop
data: {{set: synthetic, synthetic_count: 1200, held_out: 100}}
model: {{width: {width}}}
train: {{epochs: {epochs}, batch_size: 64}}
objective: {{samples: 50, every_epochs: {epochs}, finalists: 0}}
search: {{trials: 1, scheduler: {{name: none}}}}
resources: {{cpus_per_worker: {threads}}}
"""
BARE = """
import json, sys
from pathlib import Path
from gan.config import ModelConfig, TrainConfig
from gan.data import GalaxySet
from gan.training.trainer import Trainer
folder, width, epochs, threads = sys.argv[1], *map(int, sys.argv[2:])
galaxies = GalaxySet.open(folder)
train, _ = galaxies.split(100, 0)
config = TrainConfig(epochs=epochs, batch_size=64)
trainer = Trainer(ModelConfig(width=width), config, galaxies.images(64)[train], threads=threads)
print(json.dumps([trainer.train_epoch().images_per_second for _ in range(epochs)]))
"""


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--width", type=int, default=32)
    options.add_argument("--epochs", type=int, default=6)
    options.add_argument("--rounds", type=int, default=3)
    cpus = len(os.sched_getaffinity(0))
    options.add_argument("--threads", type=int, default=max(1, cpus - 1), help="CPUs of the loop (all but one)")
    given = options.parse_args()
    threads = given.threads
    print(f"{threads} of {cpus} CPUs for the loop")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for k in range(given.rounds):
            trial = in_a_trial(Path(folder), k, given, threads)
            bare = alone(Path(folder), given, threads)
            ratios.append(trial / bare)
            print(f"round {k}: in a trial {trial:,.0f} images/s, bare loop {bare:,.0f}, ratio {trial / bare:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f}")


def in_a_trial(folder: Path, k: int, given: argparse.Namespace, threads: int) -> float:
    """Median rate inside Ray."""
    import mlflow

    from study.run import main as run

    space = folder / "loop.yaml"
    space.write_text(SPACE.format(width=given.width, epochs=given.epochs, threads=threads))
    results = folder / "results"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = run(["--space", str(space), "--results", str(results), "--set", f"study=loop{k}"])
    if code:
        raise SystemExit(printed.getvalue())
    client = mlflow.MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(f"loop{k}")
    trial = client.search_runs([experiment.experiment_id], filter_string="tags.kind = 'trial'")[0]
    rates = {m.step: m.value for m in client.get_metric_history(trial.info.run_id, "images_per_second")}
    return statistics.median(rate for epoch, rate in rates.items() if epoch > 1)


def alone(folder: Path, given: argparse.Namespace, threads: int) -> float:
    """Median rate of the bare loop."""
    galaxies = next((folder / "results" / ".cache").glob("synthetic-*"))
    arguments = [str(galaxies), str(given.width), str(given.epochs), str(threads)]
    done = subprocess.run([sys.executable, "-c", BARE, *arguments], capture_output=True, text=True, check=True)
    return statistics.median(json.loads(done.stdout.splitlines()[-1])[1:])


if __name__ == "__main__":
    main()
