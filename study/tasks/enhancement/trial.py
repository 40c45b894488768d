"""A trial of an enhancer in its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan.enhance.config import train_from_dict
from study.config.pair_sections import model_from_dict
from study.tasks.split import load_rows
from study.tasks.task import TaskTrial

if TYPE_CHECKING:
    from gan.enhance.training.trainer import EnhanceTrainer
    from gan.training.distributed import World
    from study.tasks.enhancement.evaluator import PairEvaluator


class EnhancementTrial(TaskTrial):
    """Trains a U-Net, and its critic, on the pairs of the study."""

    def trainer(self, *, device: str, world: World | None, threads: int | None) -> EnhanceTrainer:
        """See `TaskTrial`."""
        from gan.datasets.pair_set import PairSet
        from gan.enhance.training.trainer import EnhanceTrainer

        trial, files = self.job.trial, self.job.files
        model, train = model_from_dict(trial.model), train_from_dict(trial.train)
        pairs, rows = PairSet.open(files.data), load_rows(files.split, "train")
        inputs, targets = pairs.inputs[rows], pairs.targets[rows]
        return EnhanceTrainer(
            model.unet, model.critic, train, inputs, targets, device=device, world=world, threads=threads
        )

    def evaluator(self) -> PairEvaluator:
        """See `TaskTrial`; imports what only judging needs."""
        from study.tasks.enhancement.evaluator import PairEvaluator
        from study.tasks.enhancement.objective import PairObjective

        return PairEvaluator(self.job, PairObjective())
