"""What all evaluations share: finite numbers, whole files, an account of what was found."""

import json
import math
from types import SimpleNamespace

import pytest

from study.config import load_study
from study.storage.trial_files import TrialFiles
from study.tasks.evaluator import Evaluation, Evaluator, finite
from study.tasks.generation.objective import GalaxyObjective
from tests.study.config.spaces import write
from tests.study.jobs import baseline_job


class Noted(Evaluation):
    """An evaluation with one file."""

    def _write_files(self, folder):
        assert not (folder / "evaluation.json").exists()
        (folder / "table").write_text("x")


class Constant(Evaluator):
    """Judges every trainer alike."""

    def judge(self, trainer):
        return Noted(metrics={"ks_mean": 0.25, "energy": trainer}, rankable=True), 0.0

    def diverged(self):
        return Noted(metrics={"ks_mean": 1.0})


@pytest.fixture
def evaluator(tmp_path):
    study = load_study(write(tmp_path), ["objective.metric=[energy, ks_mean]"])
    files = TrialFiles.of_study(tmp_path, tmp_path, stage1=None)
    return Constant(baseline_job(study, files), GalaxyObjective())


def test_what_could_not_be_computed_is_left_out():
    assert finite({"a": 1, "b": math.nan, "c": math.inf, "d": 0.5}) == {"a": 1.0, "d": 0.5}


def test_the_account_comes_last_so_that_it_marks_completeness(tmp_path):
    Noted(metrics={"a": 1.0}, rankable=True).write(tmp_path / "new" / "folder", {"epoch": 3})
    found = json.loads((tmp_path / "new" / "folder" / "evaluation.json").read_text())
    assert found == {"epoch": 3, "metrics": {"a": 1.0}, "rankable": True}


def test_the_first_objective_leads_and_all_are_told(evaluator, tmp_path):
    report = evaluator.run(0.125, SimpleNamespace(epoch=7, diverged=None), final=True, clock={"ready": 1.0})
    assert (report.objective, report.objectives) == (0.125, {"energy": 0.125, "ks_mean": 0.25})
    assert report.folder == tmp_path / "trials" / "0000" / "evaluations" / "epoch-00007"
    found = json.loads((report.folder / "evaluation.json").read_text())
    assert found.pop("metrics") == report.metrics and found.pop("rankable") is True
    assert found == report.facts()
    assert report.final and set(report.seconds) == {"sample", "measure_and_compare"}


def test_a_trainer_that_diverged_is_not_asked(evaluator):
    report = evaluator.run(None, SimpleNamespace(epoch=2, diverged="gone"), final=True, clock={})
    assert report.objectives["ks_mean"] == 1.0 and math.isfinite(report.objectives["energy"])
    assert report.diverged == "gone" and not report.rankable
