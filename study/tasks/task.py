"""What a study is about, by its model's family: galaxies drawn by a GAN, or survey images enhanced by a U-Net.

Everything that differs between the two is a method of `Kind`; search, early stopping, workers, checkpoints, MLflow and
the way through a study are the same for both and ask the kind. `Drawn` is here, `Enhanced` in its own file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gan.config import ModelConfig, TrainConfig, model_from_dict, train_from_dict
from study.config.pair_sections import ENHANCERS
from study.config.sections import DataConfig, ObjectiveConfig

if TYPE_CHECKING:
    from study.cluster.placement import Placement
    from study.results.trials import TrialRow
    from study.tasks.generation.calibration import Cost
    from study.tasks.generation.galaxies import Galaxies

Shown = Callable[[int, int], None]
Metrics = dict[str, float]


class Kind(Protocol):
    """What differs between studies."""

    sections: Mapping[str, type]
    """Types of the sections `data`, `model`, `train` and `objective`."""
    constant: tuple[str, ...]
    """Settings that no axis may vary."""
    pictures: tuple[str, ...]
    """Names of the PNG files of an evaluation that MLflow gets at every evaluation."""
    columns: tuple[tuple[str, str, str], ...]
    """Of the ranked table, beside the objective: title, metric, format."""

    def check_size(self, image_size: int) -> None:
        """Raise `FieldError` when no model has such images."""

    def shrink(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The raw study made small (see `study.config.smoke`)."""

    def train_settings(self, values: dict[str, Any]) -> Any:
        """Training settings of a trial, from the plain values that Tune carries."""

    def check_networks(self, study: Any) -> None:
        """Raise `ConfigError` when the baseline's networks cannot be built."""

    def missing(self, study: Any) -> str | None:
        """Why the study's images cannot be used, with the commands that make them; None: they can."""

    def expected(self, study: Any, problems: list[str]) -> tuple[str, int]:
        """The plan's line on the images, and how many to train on, before the set is opened."""

    def open(self, study: Any, cache: Path) -> Galaxies:
        """Open the images and divide them."""

    def measure_reference(self, study: Any, material: Galaxies, cache: Path, progress: Shown) -> Any:
        """The catalogue that generated galaxies are compared with; None where the targets themselves are."""

    def settings(self, study: Any) -> dict[str, Any]:
        """What workers need beside `study.trials.trainable.job_settings`, plain values."""

    def trainer(self, trial: dict[str, Any], study: dict[str, Any], **place: Any) -> Any:
        """The trainer of a trial in a worker; `place` is device, world and threads."""

    def evaluator(self, trial: dict[str, Any], study: dict[str, Any]) -> Any:
        """What judges a trial in a worker."""

    def calibrate(self, study: Any, placement: Placement) -> Cost:
        """Speed of training and judging, measured for about two seconds."""

    def planned(self, study: Any) -> dict[str, str]:
        """The plan's lines `model`, `training` and `objective`."""

    def objectives(self, metrics: Metrics, names: tuple[str, ...], *, diverged: bool = False) -> Metrics:
        """The values to minimise, by the name used in the file; one that could not be computed is the worst."""

    def write_evaluation(self, evaluation: Any, folder: Path, facts: dict[str, Any]) -> None:
        """Write the files of an evaluation; `evaluation.json` comes last and so marks completeness."""

    def final_judge(
        self, study: Any, material: Galaxies, catalogue: Any, settings: dict[str, Any], cpus: int
    ) -> Callable[[TrialRow, Path], tuple[Any, int]]:
        """What judges a trial's checkpoint at the end, on what chose none of them: the evaluation, and of how many."""

    def draw(self, folder: Path, study: Any) -> None:
        """Draw the figures of an evaluation that its worker left out."""

    def shown(self, name: str, objective: float) -> float:
        """The metric behind a value that the search minimises."""

    def heading(self, name: str) -> str:
        """Of the ranked table's column of the one objective."""

    def order(self, names: tuple[str, ...]) -> str:
        """Which values of the objectives are good, in words."""

    def final_note(self, count: int) -> str:
        """What the column `final` of the ranked table is."""

    def use(self, study: Any, checkpoint: Path) -> str:
        """What to do with the best checkpoint: a label and a command."""


def kind_of(family: str | None) -> Kind:
    """The kind of study that a family of models makes."""
    if family in ENHANCERS:
        from study.tasks.enhancement.task import Enhanced

        return Enhanced()
    return Drawn()


class Drawn(Kind):
    """Galaxies drawn from noise, or enlarged; judged by the distributions of their shapes."""

    sections = {  # noqa: RUF012 (never changed)
        "data": DataConfig,
        "model": ModelConfig,
        "train": TrainConfig,
        "objective": ObjectiveConfig,
    }
    constant = ("model.image_size", "model.channels")
    pictures = ("samples", "histograms")
    columns = (("floor", "ks_floor", ".3f"), ("no fit", "failed/generated", ".1%"))

    def check_size(self, image_size: int) -> None:
        """See `Kind`."""
        ModelConfig(image_size=image_size)

    def shrink(self, raw: dict[str, Any]) -> dict[str, Any]:
        """See `Kind`."""
        from study.config.smoke import shrink

        return shrink(raw)

    def train_settings(self, values: dict[str, Any]) -> TrainConfig:
        """See `Kind`."""
        return train_from_dict(values)

    def check_networks(self, study: Any) -> None:
        """See `Kind`."""
        from study.tasks.generation.galaxies import check_networks

        check_networks(study)

    def missing(self, study: Any) -> str | None:
        """See `Kind`."""
        from study.tasks.generation.galaxies import missing

        return missing(study)

    def expected(self, study: Any, problems: list[str]) -> tuple[str, int]:
        """See `Kind`."""
        from study.tasks.generation.galaxies import expected

        return expected(study, problems)

    def open(self, study: Any, cache: Path) -> Galaxies:
        """See `Kind`."""
        from study.tasks.generation.galaxies import open_galaxies

        return open_galaxies(study, cache)

    def measure_reference(self, study: Any, material: Galaxies, cache: Path, progress: Shown) -> Any:
        """See `Kind`."""
        from study.tasks.generation.galaxies import reference_catalogue

        return reference_catalogue(study, material, cache, progress)

    def settings(self, study: Any) -> dict[str, Any]:
        """See `Kind`."""
        stage1 = study.objective.stage1
        return {"stage1": stage1 and str(Path(stage1).resolve())}

    def trainer(self, trial: dict[str, Any], study: dict[str, Any], **place: Any) -> Any:
        """See `Kind`."""
        from gan.data import GalaxySet
        from gan.training.trainer import Trainer
        from study.tasks.generation.sampling import load_indices, training_images

        model, train = model_from_dict(trial["model"]), train_from_dict(trial["train"])
        indices = load_indices(Path(study["split"]), "train")
        return Trainer(model, train, training_images(GalaxySet.open(study["set"]), model, indices), **place)

    def evaluator(self, trial: dict[str, Any], study: dict[str, Any]) -> Any:
        """See `Kind`."""
        from study.tasks.evaluator import Evaluator

        return Evaluator(trial, study)

    def calibrate(self, study: Any, placement: Placement) -> Cost:
        """See `Kind`."""
        from study.tasks.generation.calibration import calibrate

        return calibrate(study, placement)

    def planned(self, study: Any) -> dict[str, str]:
        """See `Kind`."""
        from study.tasks.generation.calibration import planned_galaxies

        return planned_galaxies(study)

    def objectives(self, metrics: Metrics, names: tuple[str, ...], *, diverged: bool = False) -> Metrics:
        """See `Kind`."""
        from study.tasks.generation.evaluation import objectives

        return objectives(metrics, names)

    def write_evaluation(self, evaluation: Any, folder: Path, facts: dict[str, Any]) -> None:
        """See `Kind`."""
        from study.tasks.generation.evaluation import write_evaluation

        write_evaluation(evaluation, folder, facts)

    def final_judge(
        self, study: Any, material: Galaxies, catalogue: Any, settings: dict[str, Any], cpus: int
    ) -> Callable[[TrialRow, Path], tuple[Any, int]]:
        """See `Kind`."""
        from study.search.finalists import galaxies_judge, reference_of

        return galaxies_judge(study, reference_of(study, material, catalogue), settings, cpus)

    def draw(self, folder: Path, study: Any) -> None:
        """See `Kind`."""
        from study.tasks.generation.pictures import draw_histograms

        draw_histograms(folder, study)

    def shown(self, name: str, objective: float) -> float:
        """See `Kind`: distances are minimised as they are."""
        return objective

    def heading(self, name: str) -> str:
        """See `Kind`."""
        return "objective"

    def order(self, names: tuple[str, ...]) -> str:
        """See `Kind`."""
        return "smaller is better"

    def final_note(self, count: int) -> str:
        """See `Kind`."""
        return f"final: best checkpoint judged again with {count:,} new galaxies; floors of that column"

    def use(self, study: Any, checkpoint: Path) -> str:
        """See `Kind`: an enlarger needs a first stage, its study's or one of the user's."""
        model = f"--model {checkpoint}"
        if study.model.family == "stackgan":
            model = f"--model {study.objective.stage1 or 'STAGE1'} --enlarge {checkpoint}"
        return f"Make galaxies:   python -m study.generate {model} -n 1000 --out galaxies"
