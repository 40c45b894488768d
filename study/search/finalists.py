"""The best trials, judged once more: more galaxies, a fresh seed, measured over all CPUs of the cluster."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.atomic import atomically
from gan.config import ModelConfig
from study.config.study import Study
from study.results.trials import TrialRow
from study.storage.object_store import address_of, fetched
from study.tasks.generation.evaluation import Reference, judge
from study.tasks.generation.galaxies import Galaxies
from study.tasks.generation.sampling import Drawing, input_size, load_indices

MEMORISATION_IMAGES = 2000
FRESH_SEED = 1_000_003
"""Added to a trial's seed: the galaxies that chose a checkpoint do not judge it."""


@dataclass(frozen=True)
class CheckpointGalaxies:
    """Galaxies drawn from a checkpoint, block by block, wherever Ray Data asks for them (an `ImageSource`).

    Attributes
    ----------
    path : str
        A checkpoint that all nodes see, or its address in a store.
    count : int
        Galaxies in all.
    seed : int
        Of the noise.
    drawing : Drawing
        Noise, a first stage or real galaxies: what the generator starts from.
    """

    path: str
    count: int
    seed: int
    drawing: Drawing

    def __len__(self) -> int:
        return self.count

    def images(self, start: int, stop: int) -> np.ndarray:
        """Galaxies `start` to `stop`: (stop - start, H, W, C) uint8."""
        generator = _load(self.path, input_size(self.drawing.model) is not None)
        return self.drawing.draw(generator, stop - start, seed=self.seed, start=start)


@functools.lru_cache(maxsize=1)
def _load(path: str, takes_images: bool) -> Any:
    """The checkpoint's generator, read once per process."""
    from gan.training.checkpoint import load_enlarger, load_generator

    return (load_enlarger if takes_images else load_generator)(fetched(path))[0]


def reference_of(study: Study, galaxies: Galaxies, catalogue: Any) -> Reference:
    """The reference with the images that the power spectrum needs."""
    from gan.data import GalaxySet

    images = GalaxySet.open(galaxies.path).images(study.data.image_size)
    return Reference(catalogue, images[galaxies.reference[:2000]])


def judge_finalists(
    study: Study,
    rows: list[TrialRow],
    folder: Path,
    *,
    judge: Callable[[TrialRow, Path], tuple[Any, int]],
    done: Callable[[TrialRow, dict[str, float]], None],
    say: Callable[[str], None],
) -> None:
    """Judge the best checkpoint of each of the best trials once more.

    Parameters
    ----------
    rows : list of TrialRow
        Best first.
    folder : Path
        Of the study; results go to its `finalists`, and one that is there already is kept.
    judge : callable
        From `study.tasks.task.Kind.final_judge`.
    done : callable
        Called with each finalist and its metrics.
    say : callable
        Told of a checkpoint that is damaged; the trial's next best one is judged in its place.
    """
    left, kind = study.objective.finalists, study.kind
    for row in rows:
        if left == 0:
            return
        target = folder / "finalists" / row.name
        if (target / "evaluation.json").exists():
            left -= 1
            continue
        best = _best_whole(row, say)
        path = row.checkpoint(best["epoch"]) if best is not None else None
        if row.ending == "failed" or best is None or path is None:
            continue
        left -= 1
        evaluation, count = judge(row, path)
        values = kind.objectives(evaluation.metrics, study.objective.metrics)
        facts = {"trial": row.name, "epoch": best["epoch"], "objective": values[study.objective.metrics[0]]}
        facts |= {"time": time.time(), "objectives": values, "samples": count, "checkpoint": str(path)}
        kind.write_evaluation(evaluation, target, facts)
        done(row, evaluation.metrics)


def galaxies_judge(
    study: Study, reference: Reference, settings: dict[str, Any], cpus: int
) -> Callable[[TrialRow, Path], tuple[Any, int]]:
    """Judge with `objective.final_samples` galaxies of a fresh seed, measured over all CPUs of the cluster.

    Parameters
    ----------
    settings : dict
        From `study.trials.trainable.job_settings`.
    cpus : int
        Of the cluster.
    """

    def judge_one(row: TrialRow, path: Path) -> tuple[Any, int]:
        from eval.distributed.stage import measure_source

        model, _ = study.configure(row.point, row.seed)
        drawing = Drawing(settings["set"], settings["split"], model, settings["stage1"])
        count = drawing.count(study.objective.final_samples or study.objective.samples)
        source = CheckpointGalaxies(address_of(settings, path), count, row.seed + FRESH_SEED, drawing)
        catalogue = measure_source(source, engine=study.objective.engine, cpus=cpus).catalogue()
        images = source.images(0, min(count, MEMORISATION_IMAGES))
        evaluation = judge(images, catalogue, reference)
        evaluation.metrics.update(memorisation_metrics(images, settings, model))
        return evaluation, count

    return judge_one


def _best_whole(row: TrialRow, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The trial's best evaluation whose checkpoint is there and whole."""
    from gan.training.checkpoint import CheckpointError, read

    for evaluation in sorted(row.evaluations, key=lambda e: e["objective"]):
        path = row.checkpoint(evaluation["epoch"])
        if path is None:
            continue
        try:
            read(path)
            return evaluation
        except CheckpointError as error:
            say(f"trial {row.name}: {error}; its next best checkpoint is judged")
    return None


def memorisation_metrics(images: np.ndarray, settings: dict[str, Any], model: ModelConfig) -> dict[str, float]:
    """How close generated galaxies come to the training images, beside held-out ones; empty where none were held out.

    Parameters
    ----------
    images : (n, H, W, C) uint8 array
        Generated galaxies.
    """
    from eval.statistics.memorisation import memorisation
    from eval.statistics.nearest import centre
    from gan.data import GalaxySet

    train, held_out = (load_indices(Path(settings["split"]), part) for part in ("train", "reference"))
    if np.array_equal(train, held_out):
        return {}
    real = centre(GalaxySet.open(settings["set"]).images(model.image_size))
    found, _, _ = memorisation(centre(images), real[train], real[held_out], crop=1.0)
    return found.metrics()


def keep_best(row: TrialRow, folder: Path) -> Path | None:
    """Copy the best checkpoint to `best/checkpoint.pt`, so that it can be taken away; None: there is none."""
    epoch = (row.final or row.best or {}).get("epoch")
    source = row.checkpoint(epoch) if epoch is not None else None
    if source is None:
        return None
    target = folder / "best" / "checkpoint.pt"
    target.parent.mkdir(exist_ok=True)
    atomically(target, lambda path: shutil.copyfile(source, path))
    return target
