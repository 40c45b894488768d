"""Trials as their workers get them."""

from __future__ import annotations

from typing import Any

from gan.config import as_dict
from study.config import Study
from study.storage.trial_files import TrialFiles
from study.tasks.job import TrialJob, TrialSettings, TrialSpec


def baseline_job(study: Study, files: TrialFiles, *, seed: int = 0, **settings: Any) -> TrialJob:
    """The baseline of a study."""
    model, train = study.configure({}, seed)
    spec = TrialSpec(
        number=0, name="0000", role="baseline", point={}, model=as_dict(model), train=as_dict(train),
        epochs=train.epochs, judged_from=0,
    )  # fmt: skip
    objective = study.objective
    shared = {"samples": objective.samples, "every_epochs": objective.every_epochs, "engine": "fast", "threads": 1}
    shared |= {"metrics": objective.metrics}
    return TrialJob(trial=spec, settings=TrialSettings(files=files, **{**shared, **settings}))
