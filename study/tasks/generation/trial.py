"""A trial of a GAN in its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan.config import model_from_dict, train_from_dict
from study.tasks.split import load_rows
from study.tasks.task import TaskTrial

if TYPE_CHECKING:
    from gan.training.distributed import World
    from gan.training.trainer import Trainer
    from study.tasks.generation.evaluator import GalaxyEvaluator


class GenerationTrial(TaskTrial):
    """Trains a GAN on the galaxies of the study."""

    def trainer(self, *, device: str, world: World | None, threads: int | None) -> Trainer:
        """See `TaskTrial`."""
        from gan.data import GalaxySet
        from gan.training.trainer import Trainer
        from study.tasks.generation.sampling import training_images

        trial, files = self.job.trial, self.job.files
        model, train = model_from_dict(trial.model), train_from_dict(trial.train)
        images = training_images(GalaxySet.open(files.data), model, load_rows(files.split, "train"))
        return Trainer(model, train, images, device=device, world=world, threads=threads)

    def evaluator(self) -> GalaxyEvaluator:
        """See `TaskTrial`; imports what only judging needs."""
        from study.tasks.generation.evaluator import GalaxyEvaluator
        from study.tasks.generation.objective import GalaxyObjective

        return GalaxyEvaluator(self.job, GalaxyObjective())
