"""What runs inside a Ray Train worker: the plain training loop of `gan.training`, reporting to Ray.

The modules that only evaluation needs are imported at the first evaluation, so that training starts early.
"""

from __future__ import annotations

import json
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from study.faults import storage_fault
from study.trial_folder import account, checkpoints

HEARTBEAT_S = 2.0


def train_worker(job: dict[str, Any]) -> None:
    """Train one trial from its beginning or its last checkpoint to its end.

    Parameters
    ----------
    job : dict
        `trial` (see `HistorySearch.config_of`) and `study` (see `study.trial.job_settings`), plain values only.
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

    from gan.config import model_from_dict, train_from_dict
    from gan.data import GalaxySet
    from gan.training import Trainer, World
    from study.drawing import load_indices, training_images

    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    trial, study = job["trial"], job["study"]
    model, train = model_from_dict(trial["model"]), train_from_dict(trial["train"])
    galaxies = GalaxySet.open(study["set"])
    indices = load_indices(Path(study["split"]), "train")
    trainer = Trainer(
        model,
        train,
        training_images(galaxies, model, indices),
        device=_device(),
        world=World(rank, size) if size > 1 else None,
        threads=study["threads"],
    )
    clock = {"suggested": trial["suggested"], "actor": job["accepted"], "worker": started, "ready": time.time()}
    before, notes = _resume(trainer, Path(study["folder"]) / trial["name"])
    _epochs(trainer, trial, study, rank, size, clock, before, [*job.get("notes", []), *notes])


def _epochs(
    trainer: Any, trial: dict, study: dict, rank: int, size: int, clock: dict[str, float],
    before: dict[str, Any], notes: list[str],
) -> None:  # fmt: skip
    import ray.train

    epochs, every = trainer.train_config.epochs, study["every_epochs"]
    losses: list[dict[str, float]] = list(before.get("losses", []))
    history = list(losses)
    # The first report after a break carries all that went before: what the dead process had not passed on is in it.
    news: dict[str, Any] = {"resumed": trainer.epoch} if before else {}
    if notes:
        news["notes"] = notes
    last_report = time.time()
    evaluator = _Evaluator(trial, study) if rank == 0 else None
    if trainer.epoch >= epochs or before.get("diverged"):
        _report_again(evaluator, trainer, history, news)
        return
    while trainer.epoch < epochs:
        result = trainer.train_epoch()
        clock.setdefault("first_epoch", time.time())
        history.append(
            {
                "epoch": result.epoch,
                "time": time.time(),
                "loss/generator": result.loss_generator,
                "loss/discriminator": result.loss_discriminator,
                "images_per_second": result.images_per_second,
            }
        )
        losses.append(history[-1])
        final = result.diverged is not None or result.epoch == epochs
        if final or result.epoch % every == 0:
            with tempfile.TemporaryDirectory() as folder:
                metrics: dict[str, Any] = {"epoch": result.epoch}
                checkpoint = None
                if evaluator is not None:
                    facts = {"final": final, "diverged": result.diverged, "clock": clock}
                    metrics = {**_with_history(history, evaluator.run(trainer, result, facts)), **news}
                    checkpoint = _checkpoint(trainer, {**metrics, "losses": losses}, Path(folder))
                ray.train.report(metrics, checkpoint=checkpoint, checkpoint_dir_name=f"epoch-{result.epoch:05d}")
        elif size > 1 or time.time() - last_report > HEARTBEAT_S:
            ray.train.report({**_with_history(history, {"epoch": result.epoch}), **news})
        else:
            continue
        history, news, last_report = [], {}, time.time()
        if final:
            return


def _with_history(history: list[dict[str, float]], metrics: dict[str, Any]) -> dict[str, Any]:
    return {**history[-1], **metrics, "history": list(history)}


class _Evaluator:
    """Samples, measures and judges; keeps the reference in memory between evaluations."""

    def __init__(self, trial: dict[str, Any], study: dict[str, Any]):
        self.trial, self.study = trial, study
        self._reference: Any = None

    @property
    def reference(self) -> Any:
        if self._reference is None:
            from eval.catalogue import read_catalogue
            from gan.data import GalaxySet
            from study.drawing import load_indices
            from study.evaluate import Reference

            indices = load_indices(Path(self.study["split"]), "reference")
            images = GalaxySet.open(self.study["set"]).images(self.trial["model"]["image_size"])
            self._reference = Reference(read_catalogue(Path(self.study["reference"])), images[indices[:2000]])
        return self._reference

    def run(self, trainer: Any, result: Any, more: dict[str, Any]) -> dict[str, Any]:
        """Evaluate the trainer's generator; writes the evaluation's files and returns what is reported."""
        from study.evaluate import diverged, evaluate, objectives, write_evaluation

        started = time.time()
        if result.diverged is None:
            generator, drawing = trainer.generator_for_sampling(), self._drawing(trainer.model)
            n = drawing.count(self.study["samples"])
            images = drawing.draw(generator, n, seed=trainer.train_config.seed)
            sampled = time.time()
            evaluation = evaluate(images, self.reference, engine=self.study["engine"], jobs=self.study["threads"])
        else:
            sampled, evaluation = time.time(), diverged()
        metrics = {**evaluation.metrics, **self._beside(trainer, result)}
        values = objectives(metrics, tuple(self.study["metrics"]))
        facts = {
            "trial": self.trial["name"],
            "epoch": result.epoch,
            "objective": values[self.study["metrics"][0]],
            "objectives": values,
            "seconds": {"sample": sampled - started, "measure_and_compare": time.time() - sampled},
            "time": time.time(),
            **more,
        }
        folder = self.folder(result.epoch)
        write_evaluation(evaluation, folder, facts)
        return {**metrics, **facts, "rankable": evaluation.rankable, "evaluation": str(folder)}

    def _drawing(self, model: Any) -> Any:
        from study.drawing import Drawing

        return Drawing(self.study["set"], self.study["split"], model, self.study["stage1"])

    def _beside(self, trainer: Any, result: Any) -> dict[str, float]:
        """For a second stage judged on a chain: the same distances on enlarged real galaxies, as `real_input/...`."""
        if result.diverged is not None or self.study["stage1"] is None:
            return {}
        import dataclasses

        from study.evaluate import evaluate

        alone = dataclasses.replace(self._drawing(trainer.model), stage1=None)
        if not alone.enlarges_real:
            return {}
        images = alone.draw(trainer.generator_for_sampling(), alone.count(self.study["samples"]), seed=0)
        found = evaluate(images, self.reference, engine=self.study["engine"], jobs=self.study["threads"]).metrics
        return {
            f"real_input/{k}": v for k, v in found.items() if k.startswith(("ks_mean", "ks/", "failed/", "spectrum"))
        }

    def folder(self, epoch: int) -> Path:
        """Where the files of an evaluation go."""
        return Path(self.study["folder"]) / self.trial["name"] / "evaluations" / f"epoch-{epoch:05d}"


def _report_again(
    evaluator: _Evaluator | None, trainer: Any, history: list[dict[str, float]], news: dict[str, Any]
) -> None:
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

    from gan import checkpoint

    checkpoint.save(trainer, folder / "checkpoint.pt")
    kept = {k: v for k, v in metrics.items() if k not in ("history", "clock", "resumed", "notes")}
    (folder / "metrics.json").write_text(json.dumps(kept, indent=1, default=str))
    return ray.train.Checkpoint.from_directory(folder)


def _resume(trainer: Any, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Load the newest checkpoint that is whole; a damaged one is said and the one before it taken.

    Returns
    -------
    before : dict
        What had been reported by then (`study.trial_folder.account`); empty: the trial begins.
    notes : list of str
        What was damaged.
    """
    from gan import checkpoint

    notes: list[str] = []
    for candidate in checkpoints(folder):
        try:
            before = account(candidate)
            checkpoint.load(trainer, candidate / "checkpoint.pt")
            return before, notes
        except (ValueError, FileNotFoundError) as error:
            notes.append(f"{error}; the checkpoint before it is used")
    return {}, notes


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
