"""What judges an enhancer inside its worker: held-out pairs, each against its own target."""

from __future__ import annotations

import functools
import time
from typing import Any

import numpy as np

from study.tasks.enhancement.evaluation import PairEvaluation, diverged, evaluate_pairs
from study.tasks.evaluator import Evaluator
from study.tasks.split import load_rows


class PairEvaluator(Evaluator):
    """Enhances held-out pairs and judges each against its own target."""

    @functools.cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The held-out pairs, read once: inputs (n, S, S, C) and targets (n, kS, kS, C), uint8."""
        from gan.datasets.pair_set import PairSet

        files = self.job.files
        rows, pairs = load_rows(files.split, "reference"), PairSet.open(files.data)
        return pairs.inputs[rows], pairs.targets[rows]

    def judge(self, trainer: Any) -> tuple[PairEvaluation, float]:
        """See `Evaluator`."""
        settings, (inputs, targets) = self.job.settings, self.pairs
        generator = trainer.generator_for_sampling()
        found = evaluate_pairs(generator, inputs, targets, engine=settings.engine, jobs=settings.threads)
        return found, time.time()

    def diverged(self) -> PairEvaluation:
        """See `Evaluator`."""
        return diverged()
