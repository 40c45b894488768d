"""What runs inside a Ray Train worker: the plain training loop of `gan.training.trainer`, reporting to Ray.

The modules that only evaluation needs are imported at the first evaluation, so that training starts early.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.atomic import write_json
from common.errors import first_line
from study.storage.disk_errors import storage_fault
from study.storage.object_store import settled, share
from study.storage.trial_folder import account, checkpoints
from study.tasks.job import TrialJob, TrialSettings

if TYPE_CHECKING:
    from study.tasks.evaluator import Evaluator
    from study.tasks.task import TrialTrainer

HEARTBEAT_S = 2.0
LOGICAL_GPUS = "STUDY_LOGICAL_GPUS"


def train_worker(config: dict[str, TrialJob]) -> None:
    """Train one trial from its beginning or its last checkpoint to its end.

    Parameters
    ----------
    config : dict
        `job`: the trial.
    """
    import ray.train

    try:
        _train(config["job"])
    except Exception as error:
        # A report is a barrier for all workers: one alone can only raise.
        if ray.train.get_context().get_world_size() > 1:
            raise
        halt = storage_fault(error)
        if halt:
            ray.train.report({"halt": halt})
            return
        # A bug or a lack of memory would repeat itself; a lost peer or a storage that is away may not: Ray retries.
        if isinstance(error, OSError):
            raise
        reason = first_line(error)[:500]
        ray.train.report({"failed": f"{type(error).__name__}: {reason}", "traceback": traceback.format_exc()})


def _train(job: TrialJob) -> None:
    started = time.time()
    import ray.train

    from gan.training.distributed import World
    from study.tasks.registry import trial_of

    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    files = settled(job.files, job.trial.name)
    job = dataclasses.replace(job, settings=dataclasses.replace(job.settings, files=files))
    trial, world = trial_of(job), World(rank, size) if size > 1 else None
    trainer = trial.trainer(device=_device(job.settings), world=world, threads=job.settings.threads)
    clock = {"suggested": job.trial.suggested, "actor": job.accepted, "worker": started, "ready": time.time()}
    before, notes = _resume(trainer, files.folder(job.trial.name))
    evaluator = trial.evaluator() if rank == 0 else None
    _Worker(job, trainer, evaluator, size, clock, before, [*job.notes, *notes]).run()


class _Worker:
    """The epochs of a trial in one of its workers.

    Parameters
    ----------
    job : TrialJob
        The trial.
    trainer : TrialTrainer
        As its last checkpoint left it.
    evaluator : Evaluator or None
        On rank 0.
    size : int
        Workers of the trial.
    clock : dict of str to float
        When the trial was proposed, taken up, begun and ready.
    before : dict
        What had been reported by the last checkpoint; empty: the trial begins.
    notes : list of str
        What was damaged, for the user.
    """

    def __init__(
        self,
        job: TrialJob,
        trainer: TrialTrainer,
        evaluator: Evaluator | None,
        size: int,
        clock: dict[str, float],
        before: dict[str, Any],
        notes: list[str],
    ):
        self.job, self.trainer, self.evaluator, self.size, self.clock = job, trainer, evaluator, size, clock
        self.losses: list[dict[str, float]] = list(before.get("losses", []))
        self.ended = trainer.epoch >= trainer.total_epochs or bool(before.get("diverged"))
        # The first report after a break carries all that went before: what the dead process had not passed on is in it.
        self.history = list(self.losses)
        self.news: dict[str, Any] = {"resumed": trainer.epoch} if before else {}
        if notes:
            self.news["notes"] = notes
        self.last_report = time.time()

    def run(self) -> None:
        """Train to the end, reporting on the way."""
        if self.ended:
            self._report_again()
        while not self.ended:
            result = self.trainer.train_epoch()
            self.clock.setdefault("first_epoch", time.time())
            row = {"epoch": result.epoch, "time": time.time(), **_facts(result)}
            self.history.append(row)
            self.losses.append(row)
            self.ended = result.diverged is not None or result.epoch >= self.trainer.total_epochs
            if self.ended or result.epoch % self.job.settings.every_epochs == 0:
                self._evaluate(result)
            elif self.size > 1 or time.time() - self.last_report > HEARTBEAT_S:
                self._report({"epoch": result.epoch})

    def _report(self, metrics: dict[str, Any], **checkpoint: Any) -> None:
        """Report with every epoch since the last report; a barrier for all workers."""
        import ray.train

        ray.train.report({**self.history[-1], **metrics, "history": self.history, **self.news}, **checkpoint)
        self.history, self.news, self.last_report = [], {}, time.time()

    def _evaluate(self, result: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            metrics: dict[str, Any] = {"epoch": result.epoch}
            checkpoint = None
            if self.evaluator is not None:
                report = self.evaluator.run(self.trainer, result, final=self.ended, clock=self.clock)
                share(self.job.files, report.folder)
                metrics = report.as_report()
                checkpoint = self._checkpoint(metrics, Path(folder))
            self._report(metrics, checkpoint=checkpoint, checkpoint_dir_name=f"epoch-{result.epoch:05d}")

    def _checkpoint(self, metrics: dict[str, Any], folder: Path) -> Any:
        import ray.train

        from gan.training import checkpoint

        checkpoint.save(self.trainer, folder / "checkpoint.pt")
        kept = {key: value for key, value in {**self.history[-1], **metrics}.items() if key != "clock"}
        write_json(folder / "metrics.json", {**kept, "losses": self.losses})
        return ray.train.Checkpoint.from_directory(folder)

    def _report_again(self) -> None:
        """Report the last evaluation of a trial that had ended before its driver died once more."""
        import ray.train

        metrics: dict[str, Any] = {"epoch": self.trainer.epoch}
        if self.evaluator is not None:
            folder = self.job.files.evaluation(self.job.trial.name, self.trainer.epoch)
            facts = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
            found = {**facts.pop("metrics"), **facts, "final": True, "evaluation": str(folder)}
            metrics = {**found, "history": self.history, **self.news}
        ray.train.report(metrics)


def _facts(result: Any) -> dict[str, float]:
    """Losses and speed of an epoch; a network that had no step, or whose loss is no number, has none."""
    found = {
        "loss/generator": result.loss_generator,
        "loss/discriminator": result.loss_discriminator,
        "images_per_second": result.images_per_second,
        **getattr(result, "extra", {}),
    }
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _resume(trainer: TrialTrainer, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Load the newest checkpoint that is whole; a damaged one is said and the one before it taken.

    Returns
    -------
    before : dict
        What had been reported by then (`study.storage.trial_folder.account`); empty: the trial begins.
    notes : list of str
        What was damaged.
    """
    from gan.training import checkpoint

    notes: list[str] = []
    for candidate in checkpoints(folder):
        try:
            before = account(candidate)
            checkpoint.load(trainer, candidate / "checkpoint.pt")
            return before, notes
        except (ValueError, FileNotFoundError) as error:
            notes.append(f"{error}; the checkpoint before it is used")
    if notes:
        notes.append("no checkpoint is left: the trial begins anew")
    return {}, notes


def logical_gpus() -> bool:
    """Whether GPUs are only numbers to Ray, and workers that are given some train on the CPU (to test placement)."""
    return bool(os.environ.get(LOGICAL_GPUS))


def _device(settings: TrialSettings) -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if settings.gpus_per_worker and not settings.logical_gpus:
        raise RuntimeError(
            f"Ray gave this worker {settings.gpus_per_worker:g} GPU, but PyTorch sees none on {platform.node()}: "
            "it is a build without CUDA, or the driver is missing"
        )
    return "cpu"
