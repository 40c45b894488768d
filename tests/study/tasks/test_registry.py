"""Which task a study is."""

import subprocess
import sys

import pytest

from gan.models import FAMILIES
from study.config.families import STUDIES, GalaxyStudy
from study.storage.trial_files import TrialFiles
from study.tasks.registry import TASKS, task_of, trial_of
from study.tasks.task import Task, TaskCost, TaskImages, TaskObjective, TaskResults, TaskTrial
from tests.study.config.spaces import GOOD, PAIRS, load
from tests.study.jobs import baseline_job


def test_every_kind_of_study_has_a_task():
    assert set(TASKS) == {GalaxyStudy, *STUDIES.values()}


@pytest.mark.parametrize("text", [GOOD, PAIRS])
def test_a_task_is_whole_and_its_trials_are_of_its_kind(tmp_path, text):
    study = load(tmp_path, text=text)
    task = task_of(study)
    kinds = (TaskImages, TaskObjective, TaskCost, TaskResults)
    parts = (task.images, task.objective, task.cost, task.results)
    assert isinstance(task, Task) and all(map(isinstance, parts, kinds))
    files = TrialFiles.of_study(tmp_path, tmp_path, stage1=None)
    trial = trial_of(baseline_job(study, files))
    assert isinstance(trial, TaskTrial)
    assert type(trial).__module__.rpartition(".")[0] == type(task.images).__module__.rpartition(".")[0]


def test_families_that_draw_galaxies_are_none_of_those_that_enhance():
    assert not set(FAMILIES) & set(STUDIES)


def test_a_worker_that_trains_loads_nothing_that_only_judging_needs():
    """Seconds of a trial's start: the registry is imported in every worker."""
    later = "torch", "astropy", "mlflow", "matplotlib"
    code = f"import sys, study.tasks.registry; print([m for m in {later} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
