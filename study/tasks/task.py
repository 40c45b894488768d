"""What differs between kinds of study: small abstract classes, by who asks.

Search, early stopping, workers, checkpoints, MLflow and the way through a study are the same for all kinds and ask a
`Task` of `study.tasks.registry`. A class that forgets a method fails when it is defined.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from study.config.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from gan.training.distributed import World
    from study.cluster.placement import Placement
    from study.results.trials import TrialRow
    from study.storage.trial_files import TrialFiles
    from study.tasks.evaluator import Evaluation, Evaluator
    from study.tasks.job import TrialJob
    from study.tasks.split import DatasetSplit

AStudy = TypeVar("AStudy", bound=Study)

Names = tuple[str, ...]
"""Of objectives, as `objective.metric` gives them."""

Shown = Callable[[int, int], None]
"""Told how many of how many are done."""


class _Complete(ABC):  # noqa: B024 (its subclasses have the methods)
    """Whoever derives from it must define every abstract method, or fails at once."""

    def __init_subclass__(cls, *, interface: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        lacking = [name for name in dir(cls) if getattr(getattr(cls, name, None), "__isabstractmethod__", False)]
        if lacking and not interface:
            raise TypeError(f"{cls.__module__}.{cls.__name__} lacks {', '.join(lacking)}")


class _OfStudy(_Complete, Generic[AStudy], interface=True):
    """Made of a study.

    Parameters
    ----------
    study : Study
        Of the task's own kind.
    """

    def __init__(self, study: AStudy):
        self.study = study


class TaskImages(_OfStudy[AStudy], interface=True):
    """The images of a study; asked by the command before anything starts."""

    @abstractmethod
    def check_networks(self) -> None:
        """Raise `ConfigError` when the baseline's networks cannot be built."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why the images cannot be used, with the commands that make them; None: they can."""

    @abstractmethod
    def expected(self, problems: list[str]) -> tuple[str, int]:
        """The plan's line on the images, and how many to train on, before the set is opened."""

    @abstractmethod
    def open(self, cache: Path) -> DatasetSplit:
        """Open the images, or make synthetic ones in `cache`, and divide them.

        Raises
        ------
        ConfigError
            The set has too few images for what the study asks.
        InputError
            The set cannot be opened.
        """

    @abstractmethod
    def measure_reference(self, split: DatasetSplit, cache: Path, progress: Shown) -> pd.DataFrame | None:
        """The catalogue that generated galaxies are compared with; None where the targets themselves are."""


class TaskTrial(_Complete, interface=True):
    """A trial in its worker."""

    def __init__(self, job: TrialJob):
        self.job = job

    @abstractmethod
    def trainer(self, *, device: str, world: World | None, threads: int | None) -> TrialTrainer:
        """What trains the trial on `device`, alone (`world` None) or as one of several workers."""

    @abstractmethod
    def evaluator(self) -> Evaluator:
        """What judges the trial."""


class TrialTrainer(Protocol):
    """What a worker needs of a training; `gan.training.trainer.Trainer` has it."""

    world: World | None

    @property
    def epoch(self) -> int:
        """Epochs trained."""

    @property
    def total_epochs(self) -> int:
        """Epochs of the full training; fewer may suffice."""

    def train_epoch(self) -> Any:
        """Train one epoch; returns its losses, its speed, and whether the training diverged."""

    def state_dict(self) -> dict[str, Any]:
        """All that a checkpoint holds."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class TaskObjective(_Complete, interface=True):
    """The numbers that a search minimises, and their words; asked by search, tables and MLflow.

    Attributes
    ----------
    pictures : tuple of str
        Names of the PNG files of an evaluation that MLflow gets.
    columns : tuple of (str, str, str)
        Of the ranked table, beside the objective: title, metric, format.
    """

    pictures: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]

    @abstractmethod
    def costs(self, metrics: Mapping[str, float], names: Names, *, diverged: bool = False) -> dict[str, float]:
        """The values to minimise, by the name used in the file; one that could not be computed is the worst."""

    @abstractmethod
    def shown(self, name: str, cost: float) -> float:
        """The metric behind a value that the search minimises."""

    @abstractmethod
    def heading(self, name: str) -> str:
        """Of the ranked table's column of the one objective."""

    @abstractmethod
    def order(self, names: Names) -> str:
        """Which values of the objectives are good, in words."""

    @abstractmethod
    def final_note(self, count: int) -> str:
        """What the column `final` of the ranked table is, judged on `count` images."""


@dataclass(frozen=True)
class Cost:
    """Speeds measured on this machine by short runs of the very code.

    Attributes
    ----------
    images_per_second : float
        Training, one trial.
    measured_per_second : float
        Images judged, one trial's threads.
    device : str
        What was measured.
    """

    images_per_second: float
    measured_per_second: float
    device: str


class TaskCost(_OfStudy[AStudy], interface=True):
    """What a study costs and does, in the plan's words."""

    @abstractmethod
    def calibrate(self, placement: Placement) -> Cost:
        """Measure the speed of training and judging for about two seconds."""

    @abstractmethod
    def planned(self) -> dict[str, str]:
        """The plan's lines `model`, `training` and `objective`."""


FinalJudge = Callable[["TrialRow", Path], tuple["Evaluation", int]]
"""Judges the checkpoint of a trial: what was found, and on how many images."""


class TaskResults(_OfStudy[AStudy], interface=True):
    """What is made of trained networks at the end of a study."""

    @abstractmethod
    def final_judge(self, reference: pd.DataFrame | None, files: TrialFiles, cpus: int) -> FinalJudge:
        """What judges finalists on images that chose none of them, with `cpus` CPUs of the cluster."""

    @abstractmethod
    def plot_evaluation(self, folder: Path) -> None:
        """Draw the figures of an evaluation that its worker left out."""

    @abstractmethod
    def use(self, checkpoint: Path) -> str:
        """What to do with the best checkpoint: a label and a command."""


@dataclass(frozen=True)
class Task:
    """A kind of study, by who asks.

    Attributes
    ----------
    images, objective, cost, results : TaskImages, TaskObjective, TaskCost, TaskResults
        See there. A worker has a `TaskTrial` of its own.
    """

    images: TaskImages[Any]
    objective: TaskObjective
    cost: TaskCost[Any]
    results: TaskResults[Any]
