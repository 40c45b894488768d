"""A trial: a Ray Tune function that runs one Ray Train `TorchTrainer` (where its controller runs: `controller`)."""

from __future__ import annotations

import functools
import time
from typing import Any

from study.storage.disk_errors import storage_fault
from study.storage.object_store import begin, join, receive, share
from study.storage.trial_folder import KEPT, mend
from study.tasks.job import TrialJob, TrialSettings, TrialSpec

MAX_WORKER_FAILURES = 3
MAX_CONTROLLER_FAILURES = 3


def run_trial(config: dict[str, Any], settings: TrialSettings) -> None:
    """Train and evaluate one trial; Tune's trainable.

    Parameters
    ----------
    config : dict
        A `TrialSpec` as plain values, from `study.search.history.trial_config`.
    settings : TrialSettings
        What all trials of the study share.
    """
    import ray.tune

    try:
        trial, files = TrialSpec.from_config(config), settings.files
        begin(files, trial.name)
        notes = mend(files.folder(trial.name))
        share(files, files.folder(trial.name), exact=True)
        job = TrialJob(trial=trial, settings=settings, accepted=time.time(), notes=tuple(notes))
        _trainer(job).fit()
    except Exception as error:
        halt = storage_fault(error)
        if not halt:
            raise
        ray.tune.report({"halt": halt})


def _trainer(job: TrialJob) -> Any:
    import ray.train
    from ray.train.torch import TorchConfig

    from study.trials.controller import report_to_tune, trainer_type
    from study.trials.worker import train_worker

    settings, files = job.settings, job.files
    gpus = settings.gpus_per_worker
    resources = {"CPU": settings.cpus_per_worker, **({"GPU": gpus} if gpus else {})}
    return trainer_type()(
        train_worker,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if gpus and not settings.logical_gpus else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=settings.workers, use_gpu=bool(gpus), resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            name=job.trial.name,
            storage_path=join(files.storage, "trials") if files.storage else str(files.trials),
            callbacks=[report_to_tune(functools.partial(receive, files, job.trial.name))],  # type: ignore[list-item]
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_WORKER_FAILURES,
                controller_failure_limit=MAX_CONTROLLER_FAILURES,  # type: ignore[call-arg]
            ),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=KEPT, checkpoint_score_attribute="objective", checkpoint_score_order="min"
            ),
        ),
    )
