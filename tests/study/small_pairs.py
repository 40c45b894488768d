"""A small study of enhancers, and its baseline as a worker gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.config import Study
from study.storage.trial_files import TrialFiles
from study.tasks.job import TrialJob
from tests.study.jobs import baseline_job

TINY = """\
study: tiny
data: {set: synthetic, image_size: 16, synthetic_count: 64, held_out: 16}
model: {family: unet, depth: 2, width: 4, critic: {width: 4}}
train:
  batch_size: 8
  generator: {epochs: 1}
  critic: {epochs: 1}
  adversarial: {epochs: 2, switcher: {kind: fixed}}
objective: {metric: psnr, samples: 8, every_epochs: 2, finalists: 1}
search: {sampler: random, trials: 2, scheduler: {name: asha, grace_epochs: 2, reduction_factor: 2, judge_over: 1}}
axes: {train.loss.adversarial_weight: {float: [1.0e-3, 1.0e-1], log: true}}
"""


def space(folder: Path, text: str = TINY) -> Path:
    """Write the search-space file; returns its path."""
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def job(study: Study, folder: Path, data: Path, **settings: Any) -> TrialJob:
    """The baseline of a study in `folder`, as its worker gets it."""
    return baseline_job(study, TrialFiles.of_study(folder, data, stage1=None), seed=3, **settings)
