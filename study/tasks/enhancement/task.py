"""Studies of enhancers: what `study.tasks.task.Kind` asks of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import FieldError
from gan.enhance.config import EnhanceTrainConfig, UNetConfig, train_from_dict
from study.config.errors import ConfigError
from study.config.pair_sections import SECTIONS, SENSES, cost, model_from_dict, shown_cost
from study.config.schema import locate
from study.tasks.task import Kind

if TYPE_CHECKING:
    from study.cluster.placement import Placement
    from study.results.trials import TrialRow
    from study.tasks.generation.calibration import Cost
    from study.tasks.generation.galaxies import Galaxies
    from study.tasks.task import Metrics, Shown


class Enhanced(Kind):
    """Shallow images turned into what a deeper survey would have seen; judged pair by pair."""

    sections = SECTIONS
    constant = ("model.image_size", "model.channels", "model.scale", "model.family")
    pictures = ("triptychs", "differences")
    columns = (
        ("psnr", "psnr", ".2f"),
        ("of input", "psnr/input", ".2f"),
        ("spectrum", "spectrum", ".3f"),
        ("of input", "spectrum/input", ".3f"),
        ("gain", "gain", "+.2f"),
    )

    def check_size(self, image_size: int) -> None:
        """See `Kind`."""
        UNetConfig(image_size=image_size, depth=1)

    def shrink(self, raw: dict[str, Any]) -> dict[str, Any]:
        """See `Kind`."""
        from study.config.pair_smoke import shrink

        return shrink(raw)

    def train_settings(self, values: dict[str, Any]) -> EnhanceTrainConfig:
        """See `Kind`."""
        return train_from_dict(values)

    def check_networks(self, study: Any) -> None:
        """See `Kind`: the configs say it all but for the features of the perceptual loss, which are a file."""
        from gan.enhance.models.perceptual import feature_loss

        loss = study.train.loss
        if loss.perceptual_weight and loss.features is not None:
            try:
                feature_loss(loss.features, channels=study.model.channels)
            except FieldError as error:
                key = "train.loss.features"
                where = locate(study.lines, key, study.file)
                raise ConfigError(*where, key, loss.features, f"expected {error.accepted}") from None

    def missing(self, study: Any) -> str | None:
        """See `Kind`."""
        from study.tasks.enhancement.pairs import missing

        return missing(study)

    def expected(self, study: Any, problems: list[str]) -> tuple[str, int]:
        """See `Kind`."""
        from study.tasks.enhancement.pairs import expected

        return expected(study, problems)

    def open(self, study: Any, cache: Path) -> Galaxies:
        """See `Kind`."""
        from study.tasks.enhancement.pairs import open_pairs

        return open_pairs(study, cache)

    def measure_reference(self, study: Any, material: Galaxies, cache: Path, progress: Shown) -> None:
        """See `Kind`: every pair has its own truth."""

    def settings(self, study: Any) -> dict[str, Any]:
        """See `Kind`."""
        return {}

    def trainer(self, trial: dict[str, Any], study: dict[str, Any], **place: Any) -> Any:
        """See `Kind`."""
        from gan.datasets.pair_set import PairSet
        from gan.enhance.training.trainer import EnhanceTrainer
        from study.tasks.generation.sampling import load_indices

        model, train = model_from_dict(trial["model"]), train_from_dict(trial["train"])
        pairs, rows = PairSet.open(study["set"]), load_indices(Path(study["split"]), "train")
        return EnhanceTrainer(model.unet, model.critic, train, pairs.inputs[rows], pairs.targets[rows], **place)

    def evaluator(self, trial: dict[str, Any], study: dict[str, Any]) -> Any:
        """See `Kind`."""
        from study.tasks.evaluator import PairEvaluator

        return PairEvaluator(trial, study)

    def calibrate(self, study: Any, placement: Placement) -> Cost:
        """See `Kind`."""
        from study.tasks.enhancement.calibration import calibrate

        return calibrate(study, placement)

    def planned(self, study: Any) -> dict[str, str]:
        """See `Kind`."""
        model, train, objective = study.model, study.train, study.objective
        phases = [
            f"{name} {phase.epochs}" + (f" (until {phase.patience} stale)" if phase.patience else "")
            for name, phase in (
                ("generator", train.generator),
                ("critic", train.critic),
                ("adversarial", train.adversarial),
            )
            if phase.epochs
        ]
        attention = ", attention" if model.attention else ""
        ratio = train.adversarial.critic_lr_ratio
        goals = ", ".join(f"{name} ({SENSES[name]})" for name in objective.metrics)
        return {
            "model": f"{model.family}, {model.image_size} px to {model.output_size} px, depth {model.depth}, width "
            f"{model.width}{attention}; critic: {model.critic.loss}, width {model.critic.width}",
            "training": f"{train.epochs} epochs ({', '.join(phases)}), batch {train.batch_size}, lr "
            f"{train.generator.lr:g}, then {train.adversarial.lr:g} with {ratio:g} times that for the critic",
            "objective": f"{goals} of {objective.samples:,} pairs every {objective.every_epochs} epochs",
        }

    def objectives(self, metrics: Metrics, names: tuple[str, ...], *, diverged: bool = False) -> Metrics:
        """See `Kind`."""
        return {name: cost(name, {} if diverged else metrics) for name in names}

    def write_evaluation(self, evaluation: Any, folder: Path, facts: dict[str, Any]) -> None:
        """See `Kind`."""
        from study.tasks.enhancement.evaluation import write_evaluation

        write_evaluation(evaluation, folder, facts)

    def final_judge(
        self, study: Any, material: Galaxies, catalogue: Any, settings: dict[str, Any], cpus: int
    ) -> Callable[[TrialRow, Path], tuple[Any, int]]:
        """See `Kind`: on pairs that were held out of training and of the search."""
        from gan.datasets.pair_set import PairSet
        from gan.enhance.training.checkpoint import load_enhancer
        from study.tasks.enhancement.evaluation import evaluate_pairs
        from study.tasks.generation.sampling import load_indices

        pairs, rows = PairSet.open(settings["set"]), load_indices(Path(settings["split"]), "final")
        inputs, targets = pairs.inputs[rows], pairs.targets[rows]

        def judge_one(row: TrialRow, path: Path) -> tuple[Any, int]:
            network, _ = load_enhancer(path)
            return evaluate_pairs(network, inputs, targets, engine=study.objective.engine, jobs=cpus), len(rows)

        return judge_one

    def draw(self, folder: Path, study: Any) -> None:
        """See `Kind`: workers draw all."""

    def shown(self, name: str, objective: float) -> float:
        """See `Kind`."""
        return shown_cost(name, objective)

    def heading(self, name: str) -> str:
        """See `Kind`."""
        return f"|{name}|" if SENSES[name] == "nearest 0" else name

    def order(self, names: tuple[str, ...]) -> str:
        """See `Kind`."""
        senses = dict.fromkeys(SENSES[name] for name in names)
        if len(senses) == 1:
            return f"{next(iter(senses))} is best"
        return ", ".join(f"{name}: {SENSES[name]}" for name in names)

    def final_note(self, count: int) -> str:
        """See `Kind`."""
        return f"final: best checkpoint judged on {count:,} pairs that chose nothing; the columns beside it are of them"

    def use(self, study: Any, checkpoint: Path) -> str:
        """See `Kind`."""
        return f"Enhance images:  python -m study.enhance IMAGES --model {checkpoint} --out enhanced"
