"""The commands of docs/cluster.md, and its study made small."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "cluster.md"
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
"""Of each machine: they are one."""
SMALL = (
    "data.synthetic_count=160", "data.held_out=60", "train.epochs=2", "objective.samples=60",
    "objective.every_epochs=1", "objective.final_samples=60", "objective.finalists=1", "search.trials=2",
    "search.scheduler.name=none", f"resources.cpus_per_worker={CPUS}",
)  # fmt: skip
"""The page's study, made small; each trial takes a whole machine."""


def commands():
    """The page's shell blocks that begin with a line saying where they run: that line to the commands."""
    blocks = re.findall(r"```sh\n# (.*?)\n(.*?)```", PAGE.read_text(), re.S)
    found = {}
    for where, text in blocks:
        found.setdefault(where, []).append(text.strip())
    return found


def small(text):
    """The page's command, told to make its study small."""
    return text + "".join(f" --set {setting}" for setting in SMALL)
