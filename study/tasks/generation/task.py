"""Studies of GANs that draw galaxies, from noise or by enlarging; judged by the distributions of their shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.config.families import GalaxyStudy
from study.tasks.generation.cost import GalaxyCost
from study.tasks.generation.images import GalaxyImages
from study.tasks.generation.objective import GalaxyObjective
from study.tasks.task import FinalJudge, Task, TaskResults

if TYPE_CHECKING:
    import pandas as pd

    from study.storage.trial_files import TrialFiles


def generation_task(study: GalaxyStudy) -> Task:
    """Return the task of a study of GANs."""
    return Task(GalaxyImages(study), GalaxyObjective(), GalaxyCost(study), GalaxyResults(study))


class GalaxyResults(TaskResults[GalaxyStudy]):
    """What is made of a trained generator."""

    def final_judge(self, reference: pd.DataFrame | None, files: TrialFiles, cpus: int) -> FinalJudge:
        """See `TaskResults`."""
        from study.tasks.generation.final_judge import GalaxyFinalJudge

        if reference is None:
            raise ValueError("reference: expected the catalogue of the reference galaxies")
        return GalaxyFinalJudge(self.study, reference, files, cpus)

    def plot_evaluation(self, folder: Path) -> None:
        """See `TaskResults`."""
        from study.tasks.generation.pictures import draw_histograms

        draw_histograms(folder, self.study)

    def use(self, checkpoint: Path) -> str:
        """See `TaskResults`: an enlarger needs a first stage, its study's or one of the user's."""
        model = f"--model {checkpoint}"
        if self.study.model.family == "stackgan":
            model = f"--model {self.study.objective.stage1 or 'STAGE1'} --enlarge {checkpoint}"
        return f"Make galaxies:   python -m study.generate {model} -n 1000 --out galaxies"
