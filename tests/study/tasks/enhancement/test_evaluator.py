"""Enhancers judged in their worker."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from study.config import load_study
from study.tasks.registry import task_of, trial_of
from study.trials.worker import _facts
from tests.study.small_pairs import job, space


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_a_worker_trains_evaluates_and_draws_the_same_galaxies_each_time(study, tmp_path):
    pairs = task_of(study).images.open(tmp_path)
    np.savez(tmp_path / "split.npz", **pairs.parts)
    trial = trial_of(job(study, tmp_path, pairs.path))
    trainer = trial.trainer(device="cpu", world=None, threads=1)
    evaluator = trial.evaluator()
    seen = []
    while trainer.epoch < trainer.total_epochs:
        result = trainer.train_epoch()
        facts = _facts(result)
        assert all(isinstance(value, float) for value in facts.values()) and "images_per_second" in facts
        assert ("loss/generator" in facts) == (result.phase != "critic")
        if result.epoch in (2, 4):
            reported = evaluator.run(trainer, result, final=result.epoch == 4, clock={})
            assert reported.objective == -reported.metrics["psnr"]
            seen.append(reported.folder)
    assert trainer.epoch == 4
    first, last = (np.asarray(Image.open(folder / "triptychs.png")) for folder in seen)
    third = first.shape[1] // 3
    assert (first[:, :third] == last[:, :third]).all() and (first[:, -third:] == last[:, -third:]).all()
    assert (first != last).any()
    found = json.loads((seen[1] / "evaluation.json").read_text())
    assert {"psnr", "psnr/input", "ssim", "flux_bias", "completeness", "contamination"} <= set(found["metrics"])
    assert all(np.isfinite(list(found["metrics"].values())))
    assert {p.name for p in seen[1].iterdir()} == {
        "evaluation.json", "galaxies.parquet", "detections.parquet", "triptychs.png", "differences.png"
    }  # fmt: skip


def test_a_diverged_trial_has_the_worst_finite_objective(study, tmp_path):
    from types import SimpleNamespace

    gone = SimpleNamespace(diverged="a loss is not finite", epoch=3)
    trial = trial_of(job(study, tmp_path, tmp_path, metrics=("psnr", "flux_scatter")))
    reported = trial.evaluator().run(None, gone, final=True, clock={})
    assert reported.objectives == {"psnr": 0.0, "flux_scatter": 1000.0} and not reported.rankable
    assert reported.diverged == gone.diverged
