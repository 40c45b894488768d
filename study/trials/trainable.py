"""A trial: a Ray Tune function that runs one Ray Train `TorchTrainer`.

Ray documents this with three processes that each start and import torch (the trial, Train's controller, the worker).
Here the controller, which only polls and decides, runs inside the trial's process, which later trials reuse, and
reports go to Tune from there. `benchmarks/trial_overhead.py` shows what a trial costs beside its training.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from study.storage.disk_errors import storage_fault
from study.storage.object_store import begin, join, receive, share
from study.storage.trial_folder import KEPT, mend

MAX_WORKER_FAILURES = 3
MAX_CONTROLLER_FAILURES = 3


def run_trial(config: dict[str, Any], settings: dict[str, Any]) -> None:
    """Train and evaluate one trial; Tune's trainable.

    Parameters
    ----------
    config : dict
        From `HistorySearch.config_of`.
    settings : dict
        From `job_settings`.
    """
    import ray.tune

    try:
        folder = Path(settings["folder"]) / config["name"]
        begin(settings, config["name"])
        notes = mend(folder)
        share(settings, folder, exact=True)
        _trainer(config, settings, notes).fit()
    except Exception as error:
        halt = storage_fault(error)
        if not halt:
            raise
        ray.tune.report({"halt": halt})


def _trainer(config: dict[str, Any], settings: dict[str, Any], notes: list[str]) -> Any:
    import ray.train
    from ray.train.torch import TorchConfig

    from study.trials.worker import train_worker

    gpus = settings["gpus_per_worker"]
    resources = {"CPU": settings["cpus_per_worker"], **({"GPU": gpus} if gpus else {})}
    return _inline_trainer()(
        train_worker,
        train_loop_config={"trial": config, "study": settings, "accepted": time.time(), "notes": notes},
        torch_config=TorchConfig(backend="nccl" if gpus and not settings.get("logical_gpus") else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=settings["workers"], use_gpu=bool(gpus), resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            name=config["name"],
            storage_path=join(settings["storage"], "trials") if settings.get("storage") else settings["folder"],
            callbacks=[_report_to_tune(config["name"], settings)],
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_WORKER_FAILURES,
                controller_failure_limit=MAX_CONTROLLER_FAILURES,  # type: ignore[call-arg]
            ),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=KEPT, checkpoint_score_attribute="objective", checkpoint_score_order="min"
            ),
        ),
    )


def _report_to_tune(trial: str, settings: dict[str, Any]) -> Any:
    import ray.train
    import ray.tune

    class ReportToTune(ray.train.UserCallback):
        """Hands rank 0's metrics to Tune, with the place of the checkpoint."""

        def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
            place = {"checkpoint": checkpoint.path} if checkpoint else {}
            ray.tune.report({**receive(settings, trial, metrics[0]), **place})

    return ReportToTune()


def _inline_trainer() -> type:
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2._internal.execution.worker_group import WorkerGroup

    class PlainWorkerGroup(WorkerGroup):
        """Workers without a runtime environment of their own, which Ray would have to set up first."""

        @staticmethod
        def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
            return dict(custom_runtime_env)

    class InlineController(TrainController):
        worker_group_cls = PlainWorkerGroup

    class InlineTrainer(TorchTrainer):
        """A `TorchTrainer` whose controller runs in the calling process instead of an actor of its own."""

        def _initialize_and_run_controller(self, **kwargs: Any) -> Any:
            controller = InlineController(**kwargs)
            try:
                asyncio.run(controller.run())
                return controller.get_result()
            finally:
                _close(controller)

    return InlineTrainer


def _close(controller: Any) -> None:
    """Free the workers and their placement group when Tune stops the trial in the middle of a report."""
    if controller.get_state().is_terminal():
        return
    group = controller.get_worker_group()
    if group is not None:
        group.abort()
    with contextlib.suppress(AttributeError):
        controller._controller_callback_manager.invoke_best_effort("before_controller_abort")


def job_settings(
    study: Any, *, galaxy_set: Path, split: Path, reference: Path, folder: Path, threads: int | None
) -> dict[str, Any]:
    """What every trial of a study shares, as plain values.

    Parameters
    ----------
    study : Study
        The study.
    galaxy_set, split, reference : Path
        The galaxy set, the row numbers of its two parts, and the reference catalogue.
    folder : Path
        Trials' folders go here; all nodes must see it.
    threads : int or None
        Threads of one worker.
    """
    from study.trials.worker import logical_gpus

    return {
        "set": str(galaxy_set),
        "split": str(split),
        "reference": str(reference),
        "folder": str(folder),
        "threads": threads,
        "samples": study.objective.samples,
        "every_epochs": study.objective.every_epochs,
        "engine": study.objective.engine,
        "metrics": list(study.objective.metrics),
        "workers": study.resources.workers,
        "cpus_per_worker": study.resources.cpus_per_worker,
        "gpus_per_worker": study.resources.gpus_per_worker,
        "logical_gpus": logical_gpus(),
        **study.kind.settings(study),
    }
