"""What runs inside a Ray Train worker: the plain training loop of `gan.training.trainer`, reporting to Ray.

The modules that only evaluation needs are imported at the first evaluation, so that training starts early.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from study.storage.disk_errors import storage_fault
from study.storage.object_store import settled, share
from study.storage.trial_folder import account, checkpoints

HEARTBEAT_S = 2.0
LOGICAL_GPUS = "STUDY_LOGICAL_GPUS"


def train_worker(job: dict[str, Any]) -> None:
    """Train one trial from its beginning or its last checkpoint to its end.

    Parameters
    ----------
    job : dict
        `trial` (see `HistorySearch.config_of`) and `study` (see `job_settings`), plain values only.
    """
    import ray.train

    try:
        _train(job)
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
        reason = (str(error).splitlines() or [""])[0][:500]
        ray.train.report({"failed": f"{type(error).__name__}: {reason}", "traceback": traceback.format_exc()})


def _train(job: dict[str, Any]) -> None:
    started = time.time()
    import ray.train

    from gan.training.distributed import World
    from study.tasks.task import kind_of

    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    trial, study = job["trial"], settled(job["study"], job["trial"]["name"])
    kind, world = kind_of(trial["model"]["family"]), World(rank, size) if size > 1 else None
    trainer = kind.trainer(trial, study, device=_device(study), world=world, threads=study["threads"])
    clock = {"suggested": trial["suggested"], "actor": job["accepted"], "worker": started, "ready": time.time()}
    before, notes = _resume(trainer, Path(study["folder"]) / trial["name"])
    evaluator = kind.evaluator(trial, study) if rank == 0 else None
    _epochs(trainer, evaluator, study, size, clock, before, [*job.get("notes", []), *notes])


def _epochs(
    trainer: Any, evaluator: Any, study: dict, size: int, clock: dict[str, float], before: dict[str, Any],
    notes: list[str],
) -> None:  # fmt: skip
    import ray.train

    every = study["every_epochs"]
    losses: list[dict[str, float]] = list(before.get("losses", []))
    history = list(losses)
    # The first report after a break carries all that went before: what the dead process had not passed on is in it.
    news: dict[str, Any] = {"resumed": trainer.epoch} if before else {}
    if notes:
        news["notes"] = notes
    last_report = time.time()
    if trainer.epoch >= trainer.total_epochs or before.get("diverged"):
        _report_again(evaluator, trainer, history, news)
        return
    while trainer.epoch < trainer.total_epochs:
        result = trainer.train_epoch()
        clock.setdefault("first_epoch", time.time())
        history.append({"epoch": result.epoch, "time": time.time(), **_facts(result)})
        losses.append(history[-1])
        final = result.diverged is not None or result.epoch >= trainer.total_epochs
        if final or result.epoch % every == 0:
            with tempfile.TemporaryDirectory() as folder:
                metrics: dict[str, Any] = {"epoch": result.epoch}
                checkpoint = None
                if evaluator is not None:
                    facts = {"final": final, "diverged": result.diverged, "clock": clock}
                    metrics = {**_with_history(history, evaluator.run(trainer, result, facts)), **news}
                    share(study, Path(metrics["evaluation"]))
                    checkpoint = _checkpoint(trainer, {**metrics, "losses": losses}, Path(folder))
                ray.train.report(metrics, checkpoint=checkpoint, checkpoint_dir_name=f"epoch-{result.epoch:05d}")
        elif size > 1 or time.time() - last_report > HEARTBEAT_S:
            ray.train.report({**_with_history(history, {"epoch": result.epoch}), **news})
        else:
            continue
        history, news, last_report = [], {}, time.time()
        if final:
            return


def _facts(result: Any) -> dict[str, float]:
    """Losses and speed of an epoch; a network that had no step has no loss."""
    found = {
        "loss/generator": result.loss_generator,
        "loss/discriminator": result.loss_discriminator,
        "images_per_second": result.images_per_second,
        **getattr(result, "extra", {}),
    }
    return {name: value for name, value in found.items() if value is not None}


def _with_history(history: list[dict[str, float]], metrics: dict[str, Any]) -> dict[str, Any]:
    return {**history[-1], **metrics, "history": list(history)}


def _report_again(evaluator: Any, trainer: Any, history: list[dict[str, float]], news: dict[str, Any]) -> None:
    """A trial that had ended before its driver died: report its last evaluation once more."""
    import ray.train

    metrics: dict[str, Any] = {"epoch": trainer.epoch}
    if evaluator is not None:
        folder = evaluator.folder(trainer.epoch)
        facts = json.loads((folder / "evaluation.json").read_text())
        metrics = {
            **facts.pop("metrics"),
            **facts,
            "final": True,
            "evaluation": str(folder),
            "history": history,
            **news,
        }
    ray.train.report(metrics)


def _checkpoint(trainer: Any, metrics: dict[str, Any], folder: Path) -> Any:
    import ray.train

    from gan.training import checkpoint

    checkpoint.save(trainer, folder / "checkpoint.pt")
    kept = {k: v for k, v in metrics.items() if k not in ("history", "clock", "resumed", "notes")}
    (folder / "metrics.json").write_text(json.dumps(kept, indent=1, default=str))
    return ray.train.Checkpoint.from_directory(folder)


def _resume(trainer: Any, folder: Path) -> tuple[dict[str, Any], list[str]]:
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


def _device(study: dict[str, Any]) -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if study.get("gpus_per_worker") and not study.get("logical_gpus"):
        raise RuntimeError(
            f"Ray gave this worker {study['gpus_per_worker']:g} GPU, but PyTorch sees none on {platform.node()}: "
            "it is a build without CUDA, or the driver is missing"
        )
    return "cpu"
