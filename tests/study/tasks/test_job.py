"""What travels from the driver to a worker."""

import dataclasses
import json
import pickle
from pathlib import Path

import pytest

from study.config import load_study
from study.search.history import open_history
from study.search.searcher import HistorySearch
from study.storage.trial_files import TrialFiles
from study.tasks.job import TrialJob, TrialSettings, TrialSpec
from tests.study.config.spaces import write


@pytest.fixture
def config(tmp_path):
    study = load_study(write(tmp_path))
    return HistorySearch(study, open_history(study, tmp_path / "optuna.db")).suggest("t")


def test_tunes_config_is_a_trial_with_what_tune_adds_left_out(config):
    spec = TrialSpec.from_config({**json.loads(json.dumps(config)), "__trial_info__": 1, "more": 2})
    assert spec == TrialSpec(**config)
    assert (spec.number, spec.name, spec.role, spec.family) == (0, "0000", "baseline", "dcgan")
    assert spec.epochs == 40 and spec.suggested > 0


def test_a_config_that_lacks_something_is_refused(config):
    del config["train"]
    with pytest.raises(TypeError, match="train"):
        TrialSpec.from_config(config)


def test_a_job_comes_whole_out_of_a_pickle_and_does_not_change(config):
    files = TrialFiles.of_study(Path("study"), Path("set"), stage1=None)
    settings = TrialSettings(files=files, samples=50, every_epochs=2, engine="fast", metrics=("ks_mean",))
    job = TrialJob(trial=TrialSpec.from_config(config), settings=settings, notes=("mended",))
    assert pickle.loads(pickle.dumps(job)) == job and job.files is files
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.accepted = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.trial.epochs = 3
