"""What judges a GAN inside its worker: galaxies drawn, measured and compared with the reference."""

from __future__ import annotations

import functools
import time
from typing import Any

from eval.metrics import Sample
from eval.metrics.registry import SPECTRUM_IMAGES
from study.tasks.evaluator import Evaluator
from study.tasks.generation.evaluation import GalaxyEvaluation, diverged, evaluate
from study.tasks.generation.sampling import Sampling
from study.tasks.split import load_rows

BESIDE = ("ks_mean", "ks/", "failed/", "spectrum")
"""Beginnings of the metrics that are also reported on real input, as `real_input/...`."""


class GalaxyEvaluator(Evaluator):
    """Draws galaxies, measures them and compares them with the reference."""

    @functools.cached_property
    def reference(self) -> Sample:
        """The real galaxies that generated ones are compared with, read once."""
        from eval.catalogue import read_catalogue
        from gan.data import GalaxySet

        files = self.job.files
        images = GalaxySet.open(files.data).images(self.job.trial.model["image_size"])
        rows = load_rows(files.split, "reference")[:SPECTRUM_IMAGES]
        return Sample(read_catalogue(files.reference), images[rows])

    def judge(self, trainer: Any) -> tuple[GalaxyEvaluation, float]:
        """See `Evaluator`."""
        sampling = Sampling(self.job.files, trainer.model)
        evaluation, sampled = self._evaluate(trainer, sampling, seed=trainer.train_config.seed)
        if self.job.files.stage1 is not None and sampling.without_stage1.enlarges_real:
            found = self._evaluate(trainer, sampling.without_stage1, seed=0)[0].metrics
            evaluation.metrics.update({f"real_input/{k}": v for k, v in found.items() if k.startswith(BESIDE)})
        return evaluation, sampled

    def diverged(self) -> GalaxyEvaluation:
        """See `Evaluator`."""
        return diverged()

    def _evaluate(self, trainer: Any, sampling: Sampling, *, seed: int) -> tuple[GalaxyEvaluation, float]:
        settings = self.job.settings
        count = sampling.count(settings.samples)
        images = sampling.sample(trainer.generator_for_sampling(), count, seed=seed)
        sampled = time.time()
        return evaluate(images, self.reference, engine=settings.engine, jobs=settings.threads), sampled
