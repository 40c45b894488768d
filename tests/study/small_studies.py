"""Small studies whose trials are really trained and judged, as `study.run` does it, but in this process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from eval.catalogue import write_catalogue
from eval.measure import measure
from eval.metrics import Sample
from gan.data import GalaxySet
from gan.datasets.synthetic import cache_folder, synthetic_set
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.config import Study, load_study
from study.results.recorded_trials import trial_name
from study.search.history import open_history
from study.storage.trial_files import TrialFiles
from study.tasks.generation.evaluation import evaluate
from study.tasks.generation.objective import GalaxyObjective
from study.tasks.generation.sampling import Sampling, sizes, training_images

STATES = {"stopped": optuna.trial.TrialState.PRUNED, "failed": optuna.trial.TrialState.FAIL}
SPACE = """
study: {name}
description: Is <b>wider</b> better & how much?
data: {{set: synthetic, synthetic_count: 120}}
model: {{width: 2, latent_dim: 4}}
train: {{epochs: 2, batch_size: 16}}
objective: {{samples: 50, every_epochs: 1, finalists: 1}}
search: {search}
axes:
  model.width: {{choice: [2, 3]}}
  train.label_smoothing: {{choice: [0.0, 0.3]}}
"""
TPE = "{sampler: tpe, trials: 6, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 3}}"
ABLATION = "{sampler: ablation, repeats: 2, scheduler: {judge_over: 1}}"
WIDER = {"model.width": 3, "train.label_smoothing": 0.3}

PAPER_ABLATION = """
study: ablation
data: {set: synthetic, synthetic_count: 100}
model: {width: 2, latent_dim: 4}
train: {epochs: 2, batch_size: 10}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  model.kernel_size: {choice: [4, 6]}
  train.dropout.placement: {choice: [none, generator, discriminator, both]}
  width_and_batch: {points: [{model.width: 3, train.batch_size: 20}]}
"""
STAGE2 = """
study: stage2
data: {set: synthetic, synthetic_count: 100, image_size: 128}
model: {family: stackgan, width: 2, discriminator_width: 2}
train: {epochs: 1, batch_size: 10}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  train.label_smoothing: {choice: [0.0, 0.3]}
"""
DROPOUT_128 = """
study: dropout128
data: {set: synthetic, synthetic_count: 100, image_size: 128}
model: {width: 2, latent_dim: 4}
train: {epochs: 2, batch_size: 10, dropout: {placement: discriminator_last, onset_epoch: 1}}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  to_one: {points: [{train.dropout.onset_epoch: 0, train.dropout.end_epoch: 1}]}
"""
DRAWN = 20


@dataclass
class SmallStudy:
    """A study that has begun.

    Attributes
    ----------
    folder : Path
        With `study.yaml`, `split.npz`, `reference.parquet` and the history.
    reference : Sample
        What trials are judged by.
    """

    study: Study
    folder: Path
    history: optuna.Study
    galaxies: GalaxySet
    reference: Sample

    def train(
        self, *, point: dict[str, Any], role: str = "search", seed: int = 0, draws: int = 50,
        ends: str = "complete", until: int | None = None,
    ) -> str:  # fmt: skip
        """Train, judge and tell one trial; returns its name.

        Parameters
        ----------
        ends : {"complete", "stopped", "failed", "running"}
            A failed one is never trained.
        until : int, optional
            Epochs to train.
        """
        trial = self.history.ask()
        name = trial_name(trial.number)
        for key, value in (("role", role), ("seed", seed), ("point", json.dumps(point))):
            trial.set_user_attr(key, value)
        objective = None
        if ends == "failed":
            trial.set_user_attr("error", "RuntimeError: the <GPU> is gone")
        else:
            objective = self._epochs(trial, name, point, seed, draws, until)
        if ends != "running":
            self.history.tell(trial, objective if ends == "complete" else None, state=STATES.get(ends))
        return name

    def _epochs(self, trial: Any, name: str, point: dict[str, Any], seed: int, draws: int, until: int | None) -> float:
        model, settings = self.study.configure(point, seed)
        with np.load(self.folder / "split.npz") as split:
            images = training_images(self.galaxies, model, split["train"])
        trainer = Trainer(model, settings, images, device="cpu", threads=1)
        home = self.folder / "trials" / name
        sampling = Sampling(TrialFiles.of_study(self.folder, self.galaxies.path, stage1=None), model)
        for epoch in range(1, (until or settings.epochs) + 1):
            trainer.train_epoch()
            drawn = sampling.sample(trainer.generator_for_sampling(), draws, seed=seed)
            evaluation = evaluate(drawn, self.reference, engine="fast")
            values = GalaxyObjective().costs(evaluation.metrics, self.study.objective.metrics)
            facts = {"trial": name, "epoch": epoch, "objective": values["ks_mean"], "objectives": values}
            facts["time"] = 1000.0 + trial.number * 10 + epoch
            evaluation.write(home / "evaluations" / f"epoch-{epoch:05d}", facts)
            kept = home / f"epoch-{epoch:05d}"
            kept.mkdir()
            checkpoint.save(trainer, kept / "checkpoint.pt")
            trial.report(values["ks_mean"], epoch)
        return values["ks_mean"]

    def train_planned(self, most: int | None = None, *, draws: int = 50) -> None:
        """Train the trials of a grid or an ablation."""
        for planned in self.study.planned()[:most]:
            self.train(point=planned.point, role=planned.role, seed=planned.seed, draws=draws)

    def finish(self) -> None:
        """Write that the study came to its end."""
        state = {"study_id": self.study.name, "begun": 1000.0, "ended": 1450.0}
        (self.folder / "state.json").write_text(json.dumps(state))


def begin(results: Path, text: str, *, kept: int = 40, cache: Path | None = None) -> SmallStudy:
    """Make a study's folder as it is before its first trial.

    Parameters
    ----------
    results : Path
        The folder is made in it, named as the study.
    text : str
        A search space on synthetic galaxies.
    kept : int
        Galaxies held out of training.
    cache : Path, optional
        Where the synthetic galaxies are drawn, if not where the study looks for them.
    """
    spare = results / "study.yaml"
    spare.write_text(text)
    study = load_study(spare)
    folder = results / study.name
    folder.mkdir()
    spare.rename(folder / "study.yaml")
    sides, count = sizes(study.model), study.data.synthetic_count
    place = cache_folder(cache or results / ".cache", count=count, sizes=sides, seed=study.data.seed)
    galaxies = synthetic_set(place, count, sizes=sides, seed=study.data.seed)
    train, reference = np.arange(count - kept), np.arange(count - kept, count)
    np.savez(folder / "split.npz", train=train, reference=reference)
    (folder / "state.json").write_text(json.dumps({"study_id": study.name, "begun": 1000.0, "ended": None}))
    real = galaxies.images(study.data.image_size)[reference]
    judge = Sample(measure(real), real)
    write_catalogue(judge.catalogue, folder / "reference.parquet")
    return SmallStudy(study, folder, open_history(study, folder / "optuna.db").study, galaxies, judge)


def snapshot(folder: Path) -> dict[str, str]:
    """Digests of all files in a folder."""
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}
