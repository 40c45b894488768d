"""A trial as Tune runs it: what it asks of Ray, and what stops the study instead of the trial."""

import errno
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import ray.tune

from study.storage.trial_files import TrialFiles
from study.trials import trainable
from study.trials.trainable import _trainer, run_trial
from tests.study.jobs import baseline_job


@pytest.fixture
def job(young):
    return baseline_job(young.study, TrialFiles.of_study(young.folder, young.galaxies.path, stage1=None))


@pytest.fixture
def reports(monkeypatch):
    said = []
    monkeypatch.setattr(ray.tune, "report", said.append)
    return said


def config(job):
    return {**asdict(job.trial), "added by Tune": 1}


def test_checkpoints_go_to_the_trials_folder_the_best_are_kept(job, young):
    trainer = _trainer(job)
    run = trainer.run_config
    assert (run.name, run.storage_path) == ("0000", str(young.folder / "trials"))
    kept = run.checkpoint_config
    assert (kept.checkpoint_score_attribute, kept.checkpoint_score_order) == ("objective", "min")
    scaling = trainer.scaling_config
    assert (scaling.num_workers, scaling.use_gpu) == (1, False) and scaling.resources_per_worker == {"CPU": 1.0}


def test_workers_are_given_what_the_study_asks(job):
    settings = replace(job.settings, workers=3, cpus_per_worker=2.0, gpus_per_worker=1.0, logical_gpus=True)
    scaling = _trainer(replace(job, settings=settings)).scaling_config
    assert (scaling.num_workers, scaling.use_gpu) == (3, True)
    assert scaling.resources_per_worker == {"CPU": 2.0, "GPU": 1.0}


def test_a_trial_is_taken_up_with_its_folder_mended(job, young, reports, monkeypatch):
    broken = young.folder / "trials" / "0000" / "epoch-00001"
    broken.mkdir(parents=True)
    (broken / "checkpoint.pt").write_bytes(b"cut short")
    taken = []

    def trainer(job):
        taken.append(job)
        return SimpleNamespace(fit=lambda: None)

    monkeypatch.setattr(trainable, "_trainer", trainer)
    run_trial(config(job), job.settings)
    (given,) = taken
    assert given.trial == job.trial and given.settings == job.settings and given.accepted > 0
    assert "epoch-00001" in given.notes[0] and given.notes[-1] == "no checkpoint is left: the trial begins anew"
    assert reports == [] and (broken.parent / "damaged-epoch-00001").exists()


def test_a_full_disk_halts_the_study_and_anything_else_fails_the_trial(job, reports, monkeypatch):
    def failing(error):
        def trainer(job):
            raise error

        monkeypatch.setattr(trainable, "_trainer", trainer)
        run_trial(config(job), job.settings)

    failing(OSError(errno.ENOSPC, "No space left on device"))
    assert reports == [{"halt": "No space left on device"}]
    with pytest.raises(ValueError, match="a bug"):
        failing(ValueError("a bug"))
