"""GANs judged in their worker."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from eval.catalogue import read_catalogue, write_catalogue
from eval.measure import measure
from gan.sample import sample
from study.config import load_study
from study.storage.trial_files import TrialFiles
from study.tasks.generation.evaluation import GalaxyEvaluation
from study.tasks.registry import trial_of
from tests.study.jobs import baseline_job
from tests.study.tasks.generation.sets import SMALL, divided
from tests.study.trained import trained

CHAIN = """
study: chain
data: {set: synthetic, synthetic_count: 100, image_size: 32}
model: {family: stackgan, width: 2, discriminator_width: 2}
train: {epochs: 1, batch_size: 8}
objective: {samples: 50, every_epochs: 1}
"""


@pytest.fixture
def job(young):
    files = TrialFiles.of_study(young.folder, young.galaxies.path, stage1=None)
    return baseline_job(young.study, files, seed=5)


def test_galaxies_of_the_trials_seed_are_compared_with_the_reference(young, job):
    trial = trial_of(job)
    trainer, evaluator = trial.trainer(device="cpu", world=None, threads=1), trial.evaluator()
    assert (evaluator.reference.images == young.reference.images).all()
    result = trainer.train_epoch()
    report = evaluator.run(trainer, result, final=False, clock={"worker": 1.0})
    assert report.folder == young.folder / "trials" / "0000" / "evaluations" / "epoch-00001"
    drawn = measure(sample(trainer.generator_for_sampling(), 50, seed=5))
    assert (read_catalogue(report.folder / "generated.parquet")["status"] == drawn["status"]).all()
    facts = json.loads((report.folder / "evaluation.json").read_text())
    assert facts["objective"] == facts["metrics"]["ks_mean"] == report.objective
    assert facts["clock"] == {"worker": 1.0} and not facts["final"] and facts["diverged"] is None
    assert not any(key.startswith("real_input/") for key in facts["metrics"])


def test_what_diverged_is_not_drawn(job):
    evaluator = trial_of(job).evaluator()
    gone = SimpleNamespace(diverged="a loss is not finite", epoch=2)
    report = evaluator.run(None, gone, final=True, clock={})
    assert report.objective == 1.0 and report.diverged == gone.diverged and report.final
    assert [p.name for p in report.folder.iterdir()] == ["evaluation.json"]


def test_a_chain_is_judged_whole_and_beside_it_on_real_galaxies(tmp_path):
    (tmp_path / "space.yaml").write_text(CHAIN)
    study = load_study(tmp_path / "space.yaml")
    files, galaxies = divided(tmp_path, stage1=trained(tmp_path / "first.pt", SMALL))
    write_catalogue(measure(galaxies.images(32)[-16:]), files.reference)
    metrics = {}
    for stage1 in (files.stage1, None):
        trial = trial_of(baseline_job(study, dataclasses.replace(files, stage1=stage1)))
        trainer, evaluator = trial.trainer(device="cpu", world=None, threads=1), trial.evaluator()
        evaluation, _ = evaluator.judge(trainer)
        assert isinstance(evaluation, GalaxyEvaluation)
        assert len(evaluation.catalogue) == (16 if stage1 is None else 50), "only so many real ones"
        metrics[stage1 is None] = evaluation.metrics
    beside = {key.removeprefix("real_input/"): v for key, v in metrics[False].items() if key.startswith("real_input/")}
    assert "ks_mean" in beside and "failed/generated" in beside and "energy" not in beside
    assert {key: metrics[True][key] for key in beside} == pytest.approx(beside)
    assert np.isfinite(list(beside.values())).all()
