"""What a trial costs beside its training: from being proposed to its first step, and from its last report to the next.

    python benchmarks/trial_overhead.py [--trials 4]

Runs a study of one-step trials, one at a time, through the very code of `study.run`, and prints the stages of each
trial in seconds. The first trial also starts the trial's process, which the later ones reuse. Run it on an idle
machine: every stage is a process starting or importing, and shares the cores with whatever else runs.
"""

import argparse
import contextlib
import io
import json
import statistics
import tempfile
from pathlib import Path

SPACE = """\
study: overhead
data: {{set: synthetic, synthetic_count: 100, held_out: 60}}
model: {{width: 8}}
train: {{epochs: 1, batch_size: 32}}
objective: {{samples: 50, every_epochs: 1, finalists: 0}}
search: {{sampler: random, trials: {trials}, scheduler: {{name: none}}}}
axes: {{train.lr: {{float: [1.0e-4, 1.0e-3]}}}}
resources: {{max_concurrent: 1}}
"""
STAGES = [
    ("proposed -> trial's process runs", "suggested", "actor"),
    ("-> worker's process runs", "actor", "worker"),
    ("-> images and networks ready", "worker", "ready"),
    ("-> first step done", "ready", "first_epoch"),
]


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=4)
    trials = options.parse_args().trials
    from study.run import main as run

    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "overhead.yaml"
        space.write_text(SPACE.format(trials=trials))
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            code = run(["--space", str(space), "--results", f"{folder}/results"])
        if code:
            raise SystemExit(printed.getvalue())
        paths = sorted(Path(folder).glob("results/overhead/trials/*/evaluations/*/evaluation.json"))
        facts = [json.loads(path.read_text()) for path in paths]
    table(facts)


def table(facts: list[dict]) -> None:
    """Print the stages of each trial, and the median of the trials that reuse the first one's process."""
    clocks = [fact["clock"] for fact in facts]
    rows = [(name, [clock[b] - clock[a] for clock in clocks]) for name, a, b in STAGES]
    rows.append(("proposed -> first step", [clock["first_epoch"] - clock["suggested"] for clock in clocks]))
    gaps = [later["suggested"] - fact["time"] for fact, later in zip(facts, clocks[1:], strict=False)]
    rows.append(("last evaluation -> next proposed", [*gaps, float("nan")]))
    print(f"{'seconds':36}" + "".join(f"{f'trial {k}':>9}" for k in range(len(facts))) + f"{'median 1-':>11}")
    for name, values in rows:
        later = [v for v in values[1:] if v == v] or values[:1]
        print(f"{name:36}" + "".join(f"{v:9.2f}" for v in values) + f"{statistics.median(later):11.2f}")


if __name__ == "__main__":
    main()
