"""A trial of a GAN in its worker."""

from study.storage.trial_files import TrialFiles
from study.tasks.generation.evaluator import GalaxyEvaluator
from study.tasks.generation.trial import GenerationTrial
from study.tasks.registry import trial_of
from tests.study.jobs import baseline_job


def test_it_trains_the_settings_of_its_job_on_the_rows_that_train(young):
    files = TrialFiles.of_study(young.folder, young.galaxies.path, stage1=None)
    trial = trial_of(baseline_job(young.study, files, seed=9))
    assert isinstance(trial, GenerationTrial) and isinstance(trial.evaluator(), GalaxyEvaluator)
    trainer = trial.trainer(device="cpu", world=None, threads=1)
    assert (trainer.model, trainer.train_config) == young.study.configure({}, 9)
    assert trainer.total_epochs == 2 and trainer.device.type == "cpu" and trainer.world is None
    assert trainer.train_epoch().steps == 80 // 16, "80 of 120 galaxies train"
