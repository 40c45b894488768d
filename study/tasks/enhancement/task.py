"""Studies of enhancers: shallow images turned into what a deeper survey would have seen; judged pair by pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.config.families import EnhancerStudy
from study.tasks.enhancement.cost import PairCost
from study.tasks.enhancement.images import PairImages
from study.tasks.enhancement.objective import PairObjective
from study.tasks.split import load_rows
from study.tasks.task import FinalJudge, Task, TaskResults

if TYPE_CHECKING:
    import pandas as pd

    from study.results.trials import TrialRow
    from study.storage.trial_files import TrialFiles
    from study.tasks.evaluator import Evaluation


def enhancement_task(study: EnhancerStudy) -> Task:
    """Return the task of a study of enhancers."""
    return Task(PairImages(study), PairObjective(), PairCost(study), PairResults(study))


class PairResults(TaskResults[EnhancerStudy]):
    """What is made of a trained enhancer."""

    def final_judge(self, reference: pd.DataFrame | None, files: TrialFiles, cpus: int) -> FinalJudge:
        """See `TaskResults`: on pairs that were held out of training and of the search."""
        from gan.datasets.pair_set import PairSet
        from gan.enhance.training.checkpoint import load_enhancer
        from study.tasks.enhancement.evaluation import evaluate_pairs

        pairs, rows = PairSet.open(files.data), load_rows(files.split, "final")
        inputs, targets = pairs.inputs[rows], pairs.targets[rows]
        engine = self.study.objective.engine

        def judge(row: TrialRow, path: Path) -> tuple[Evaluation, int]:
            network, _ = load_enhancer(path)
            return evaluate_pairs(network, inputs, targets, engine=engine, jobs=cpus), len(rows)

        return judge

    def plot_evaluation(self, folder: Path) -> None:
        """See `TaskResults`: workers draw all."""

    def use(self, checkpoint: Path) -> str:
        """See `TaskResults`."""
        return f"Enhance images:  python -m study.enhance IMAGES --model {checkpoint} --out enhanced"
