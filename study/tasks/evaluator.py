"""What judges a trial inside its worker: galaxies by their distributions, pairs one by one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from study.tasks.task import kind_of


class Evaluator:
    """Samples, measures and judges; keeps the reference in memory between evaluations.

    Parameters
    ----------
    trial, study : dict
        From `HistorySearch.config_of` and `study.trials.trainable.job_settings`.
    """

    def __init__(self, trial: dict[str, Any], study: dict[str, Any]):
        self.trial, self.study = trial, study
        self.kind = kind_of(trial["model"]["family"])
        self._reference: Any = None

    @property
    def reference(self) -> Any:
        """What generated images are compared with, read once."""
        if self._reference is None:
            self._reference = self._read_reference()
        return self._reference

    def run(self, trainer: Any, result: Any, more: dict[str, Any]) -> dict[str, Any]:
        """Evaluate the trainer's generator; writes the evaluation's files and returns what is reported."""
        started = time.time()
        if result.diverged is None:
            evaluation, sampled = self._judge(trainer)
        else:
            evaluation, sampled = self._diverged(), time.time()
        names, gone = tuple(self.study["metrics"]), result.diverged is not None
        values = self.kind.objectives(evaluation.metrics, names, diverged=gone)
        facts = {
            "trial": self.trial["name"],
            "epoch": result.epoch,
            "objective": values[names[0]],
            "objectives": values,
            "seconds": {"sample": sampled - started, "measure_and_compare": time.time() - sampled},
            "time": time.time(),
            **more,
        }
        folder = self.folder(result.epoch)
        self.kind.write_evaluation(evaluation, folder, facts)
        return {**evaluation.metrics, **facts, "rankable": evaluation.rankable, "evaluation": str(folder)}

    def folder(self, epoch: int) -> Path:
        """Where the files of an evaluation go."""
        return Path(self.study["folder"]) / self.trial["name"] / "evaluations" / f"epoch-{epoch:05d}"

    def _read_reference(self) -> Any:
        from eval.catalogue import read_catalogue
        from gan.data import GalaxySet
        from study.tasks.generation.evaluation import Reference
        from study.tasks.generation.sampling import load_indices

        indices = load_indices(Path(self.study["split"]), "reference")
        images = GalaxySet.open(self.study["set"]).images(self.trial["model"]["image_size"])
        return Reference(read_catalogue(Path(self.study["reference"])), images[indices[:2000]])

    def _judge(self, trainer: Any) -> tuple[Any, float]:
        """The evaluation, and when the images were there."""
        from study.tasks.generation.evaluation import evaluate

        generator, drawing = trainer.generator_for_sampling(), self._drawing(trainer.model)
        images = drawing.draw(generator, drawing.count(self.study["samples"]), seed=trainer.train_config.seed)
        sampled = time.time()
        evaluation = evaluate(images, self.reference, engine=self.study["engine"], jobs=self.study["threads"])
        evaluation.metrics.update(self._beside(trainer))
        return evaluation, sampled

    def _diverged(self) -> Any:
        from study.tasks.generation.evaluation import diverged

        return diverged()

    def _drawing(self, model: Any) -> Any:
        from study.tasks.generation.sampling import Drawing

        return Drawing(self.study["set"], self.study["split"], model, self.study["stage1"])

    def _beside(self, trainer: Any) -> dict[str, float]:
        """For a second stage judged on a chain: the same distances on enlarged real galaxies, as `real_input/...`."""
        if self.study["stage1"] is None:
            return {}
        import dataclasses

        from study.tasks.generation.evaluation import evaluate

        alone = dataclasses.replace(self._drawing(trainer.model), stage1=None)
        if not alone.enlarges_real:
            return {}
        images = alone.draw(trainer.generator_for_sampling(), alone.count(self.study["samples"]), seed=0)
        found = evaluate(images, self.reference, engine=self.study["engine"], jobs=self.study["threads"]).metrics
        return {
            f"real_input/{k}": v for k, v in found.items() if k.startswith(("ks_mean", "ks/", "failed/", "spectrum"))
        }


class PairEvaluator(Evaluator):
    """Enhances held-out pairs and judges each against its own target."""

    def _read_reference(self) -> Any:
        from gan.datasets.pair_set import PairSet
        from study.tasks.generation.sampling import load_indices

        rows, pairs = load_indices(Path(self.study["split"]), "reference"), PairSet.open(self.study["set"])
        return pairs.inputs[rows], pairs.targets[rows]

    def _judge(self, trainer: Any) -> tuple[Any, float]:
        from study.tasks.enhancement.evaluation import evaluate_pairs

        inputs, targets = self.reference
        return evaluate_pairs(
            trainer.generator_for_sampling(), inputs, targets, engine=self.study["engine"], jobs=self.study["threads"]
        ), time.time()

    def _diverged(self) -> Any:
        from study.tasks.enhancement.evaluation import diverged

        return diverged()
