"""Ray Train's controller inside the trial's own process: the one place that stands on Ray's private classes.

Ray documents three processes that each start and import torch: the trial, Train's controller, the worker. The
controller only polls and decides; inside the trial's process, which later trials reuse, it takes 5 s from a trial's
proposal to its first step instead of 13 to 20 (`benchmarks/trial_overhead.py`). It is used with the versions of Ray
that it was tested with; with any other, or where `STUDY_TRAIN_CONTROLLER=ray`, trials go the documented way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

import ray
import ray.train
import ray.tune
from ray.train import UserCallback
from ray.train.torch import TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

TESTED_RAY = ("2.60.0",)
"""Versions whose controller may run in the trial's process."""

CONTROLLER = "STUDY_TRAIN_CONTROLLER"
"""Environment variable: `ray` asks for the documented way."""

Change = Callable[[dict[str, Any]], dict[str, Any]]
"""What is done to rank 0's metrics before Tune gets them."""


def in_process() -> bool:
    """Return whether the controller runs in the trial's process."""
    return ray.__version__ in TESTED_RAY and os.environ.get(CONTROLLER) != "ray"


def trainer_type() -> type[TorchTrainer]:
    """Return the trainer to use in a trial."""
    return _inline_trainer() if in_process() else TorchTrainer


def report_to_tune(change: Change) -> UserCallback:
    """Return what hands rank 0's metrics to Tune, with `checkpoint_path` where a checkpoint was reported."""
    return _InlineReport(change) if in_process() else _Report(change)


class _Report(TuneReportCallback):
    """From the controller's process, through the queue that Tune documents."""

    def __init__(self, change: Change):
        super().__init__()  # type: ignore[no-untyped-call]
        self.change = change

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        super().after_report(run_context, [self.change(metrics[0])], checkpoint)


class _InlineReport(UserCallback):
    """From the trial's process itself."""

    def __init__(self, change: Change):
        self.change = change

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        place = {"checkpoint_path": checkpoint.path} if checkpoint else {}
        ray.tune.report({**self.change(metrics[0]), **place})


def _inline_trainer() -> type[TorchTrainer]:
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
                asyncio.run(controller.run())  # type: ignore[no-untyped-call]
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
