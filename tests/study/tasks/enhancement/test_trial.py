"""A trial of an enhancer in its worker."""

import numpy as np
import pytest

from gan.datasets.pair_set import PairSet
from study.config import load_study
from study.tasks.enhancement.evaluator import PairEvaluator
from study.tasks.enhancement.trial import EnhancementTrial
from study.tasks.registry import task_of, trial_of
from tests.study.small_pairs import job, space


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_a_trial_is_not_judged_before_its_networks_have_met(study):
    assert study.train.first_judged_epoch(3) == 3 + 2
    _, alone = study.configure({"train.adversarial.epochs": 0})
    assert alone.first_judged_epoch(3) == 3


def test_it_trains_the_settings_of_its_job_on_the_rows_that_train(study, tmp_path):
    split = task_of(study).images.open(tmp_path)
    np.savez(tmp_path / "split.npz", **split.parts)
    given = job(study, tmp_path, split.path)
    trial = trial_of(given)
    assert isinstance(trial, EnhancementTrial) and isinstance(trial.evaluator(), PairEvaluator)
    trainer = trial.trainer(device="cpu", world=None, threads=1)
    model, train = study.configure({}, seed=3)
    assert trainer.train_config == train and trainer.total_epochs == 4
    assert sum(p.numel() for p in trainer.generator.parameters()) > 0 and model.unet.width == 4
    inputs, targets = trial.evaluator().pairs
    pairs = PairSet.open(split.path)
    assert (inputs == pairs.inputs[split.reference]).all() and (targets == pairs.targets[split.reference]).all()
