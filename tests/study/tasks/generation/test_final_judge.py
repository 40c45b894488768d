"""Finalists: more galaxies, of a seed that chose nothing; memorisation."""

import numpy as np

from eval.catalogue import read_catalogue
from eval.measure import measure
from gan.sample import sample
from gan.training.checkpoint import load_generator
from study.config import load_study
from study.results.history import read_trials
from study.storage.trial_files import TrialFiles
from study.tasks.generation.final_judge import (
    FRESH_SEED,
    CheckpointGalaxies,
    GalaxyFinalJudge,
    memorisation_metrics,
)
from study.tasks.generation.sampling import Sampling
from tests.study.tasks.generation.sets import KEPT, SMALL, divided
from tests.study.trained import trained


def test_blocks_of_a_checkpoint_are_parts_of_one_sample(tmp_path):
    files, _ = divided(tmp_path)
    path = trained(tmp_path / "c.pt", SMALL)
    source = CheckpointGalaxies(str(path), 70, 11, Sampling(files, SMALL))
    generator, _ = load_generator(path)
    assert len(source) == 70
    whole = sample(generator, 70, seed=11)
    assert (source.images(0, 70) == whole).all() and (source.images(60, 66) == whole[60:66]).all()


def test_a_finalist_is_judged_on_fresh_galaxies(results, galaxy_cache):
    folder = results / "search"
    study = load_study(folder / "study.yaml", ["objective.final_samples=64"])
    row = read_trials(study, folder)[0]
    path = row.checkpoint(row.best["epoch"])
    (data,) = galaxy_cache.iterdir()
    files = TrialFiles.of_study(folder, data, stage1=None)
    reference = read_catalogue(folder / "reference.parquet")
    found, count = GalaxyFinalJudge(study, reference, files, 1)(row, path)
    assert count == 64 == len(found.catalogue) == len(found.images)
    generator, _ = load_generator(path)
    fresh = sample(generator, 64, seed=row.seed + FRESH_SEED)
    assert (found.images == fresh).all() and (found.images[:50] != sample(generator, 50, seed=row.seed)).any()
    assert (found.catalogue["status"] == measure(fresh)["status"]).all()
    assert "memorisation/in_training" in found.metrics and "spectrum" in found.metrics


def test_copies_of_training_images_are_found(tmp_path):
    files, galaxies = divided(tmp_path)
    images = galaxies.images(32)
    copied = memorisation_metrics(images[:KEPT], files, 32)
    new = memorisation_metrics(images[-KEPT:], files, 32)
    assert copied["memorisation/in_training"] == 1.0
    assert new["memorisation/in_training"] < copied["memorisation/in_training"]
    assert all(np.isfinite(value) for value in copied.values())


def test_nothing_is_said_where_none_were_held_out(tmp_path):
    files, galaxies = divided(tmp_path, held_out=False)
    assert memorisation_metrics(galaxies.images(32)[:4], files, 32) == {}
