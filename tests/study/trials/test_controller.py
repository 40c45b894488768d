"""Where Ray Train's controller runs, and that the documented way trains the same study."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import ray
from ray.train.torch import TorchTrainer

from study.trials import controller

ROOT = Path(__file__).resolve().parents[3]
TINY = """\
study: documented
data: {set: synthetic, synthetic_count: 200, held_out: 60}
model: {width: 4}
train: {epochs: 2, batch_size: 32, lr: 1.0e-3}
objective: {samples: 60, every_epochs: 1, finalists: 0}
search: {sampler: random, trials: 1}
"""


def test_the_private_way_is_used_with_tested_versions_only(monkeypatch):
    monkeypatch.delenv(controller.CONTROLLER, raising=False)
    assert controller.in_process() and ray.__version__ in controller.TESTED_RAY
    assert issubclass(controller.trainer_type(), TorchTrainer) and controller.trainer_type() is not TorchTrainer
    monkeypatch.setattr(ray, "__version__", "2.99.0")
    assert controller.trainer_type() is TorchTrainer


def test_the_documented_way_can_be_asked_for(monkeypatch):
    monkeypatch.setenv(controller.CONTROLLER, "ray")
    assert controller.trainer_type() is TorchTrainer


@pytest.mark.ray
def test_a_study_runs_the_documented_way(tmp_path):
    (tmp_path / "space.yaml").write_text(TINY)
    results = tmp_path / "results"
    done = subprocess.run(
        [sys.executable, "-m", "study.run", "--space", str(tmp_path / "space.yaml"), "--results", str(results)],
        cwd=ROOT, capture_output=True, text=True, timeout=420, env={**os.environ, controller.CONTROLLER: "ray"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    history = optuna.load_study(study_name="documented", storage=f"sqlite:///{results / 'documented' / 'optuna.db'}")
    (trial,) = history.trials
    assert trial.state == optuna.trial.TrialState.COMPLETE and set(trial.intermediate_values) == {1, 2}
    assert (results / "documented" / "best" / "checkpoint.pt").exists()
    assert (results / "documented" / "trials" / "0000" / "evaluations" / "epoch-00002" / "histograms.png").exists()
