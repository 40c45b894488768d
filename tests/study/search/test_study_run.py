"""The end of a study in this process: what is missing is sent, finalists are judged, the best is kept."""

import io
import json
import logging
import shutil
import signal
import time
from dataclasses import dataclass
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from rich.console import Console

from common.errors import InputError
from study.cluster.placement import Node, Placement
from study.config import load_study
from study.results.history import read_split, read_trials
from study.search.study_run import StudyRun
from study.storage.study_folder import StudyFolder
from study.tasks.split import DatasetSplit
from tests.study.small_studies import snapshot


@dataclass
class Ended:
    """A study whose search is over, before and after its end."""

    run: StudyRun
    code: int
    text: str


def study_run(results, galaxy_cache, home):
    """A copy of the search of `results`, all trials of which are done, but for MLflow and the finalists."""
    shutil.copytree(results / "search", home / "search")
    study = load_study(home / "search" / "study.yaml")
    (data,) = galaxy_cache.iterdir()
    split = read_split(home / "search")
    images = DatasetSplit(data, split.train, split.reference, True, "content")
    folder = StudyFolder(home, study)
    folder.open()
    folder.save(ended=1450.0, unsent=1)
    uri, console = f"sqlite:///{home / 'mlflow.db'}", Console(file=io.StringIO(), width=140)
    return StudyRun(study, folder, images, Placement(1, 1, (Node(1, 0),)), uri, console, time.time(), finish=True)


@pytest.fixture(scope="module")
def ended(results, galaxy_cache, tmp_path_factory):
    loggers = [
        logging.getLogger(n) for n in ("ray", "ray.train", "ray.data", "ray.tune", "optuna", "mlflow", "alembic")
    ]
    levels, handler = [logger.level for logger in loggers], signal.getsignal(signal.SIGTERM)
    run = study_run(results, galaxy_cache, tmp_path_factory.mktemp("ended"))
    try:
        code = run.run()
    finally:
        run.folder.release()
        signal.signal(signal.SIGTERM, handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    return Ended(run, code, run.console.file.getvalue())


def test_the_end_is_a_table_and_what_to_do_next(ended):
    assert ended.code == 0
    for words in ("sending MLflow what it has not got yet", "expected time: about", "finalist ", "ranked by ks_mean",
                  "Best settings:", "Make galaxies:", "mlflow ui --backend-store-uri sqlite:", "took "):  # fmt: skip
        assert words in ended.text
    assert "did not take" not in ended.text


def test_the_finalist_is_judged_and_the_best_checkpoint_is_its(ended):
    folder = ended.run.folder.path
    first = read_trials(ended.run.study, folder)[0]
    assert first.final is not None and first.final["samples"] == 50
    assert {"memorisation/in_training", "ks_floor"} <= set(first.final["metrics"])
    home = folder / "finalists" / first.name
    assert {p.name for p in home.iterdir()} == {
        "evaluation.json", "generated.parquet", "samples.png", "histograms.png"
    }  # fmt: skip
    best = (folder / "best" / "checkpoint.pt").read_bytes()
    assert best == first.checkpoint(first.final["epoch"]).read_bytes()


def test_trials_that_were_cut_short_are_closed(ended):
    rows = read_trials(ended.run.study, ended.run.folder.path)
    assert sorted(row.ending for row in rows) == ["complete", "complete", "failed", "stopped early", "stopped early"]


def test_mlflow_has_all_of_it(ended):
    client = mlflow.MlflowClient(ended.run.uri)
    runs = client.search_runs([client.get_experiment_by_name("search").experiment_id])
    found = {run.data.tags.get("trial_id", "study"): run for run in runs}
    assert set(found) == {"study", "0000", "0001", "0002", "0003", "0004"}
    assert {name for name, run in found.items() if run.info.status == "FAILED"} == {"0003"}
    first = read_trials(ended.run.study, ended.run.folder.path)[0]
    parent, trial = found["study"], found[first.name]
    assert parent.data.metrics["best/objective"] == pytest.approx(first.final["objective"])
    assert trial.data.metrics["final/ks_mean"] == pytest.approx(first.final["metrics"]["ks_mean"])
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"study.yaml", "environment.json", "model"} <= names
    assert "final/histograms.png" in {file.path for file in client.list_artifacts(trial.info.run_id, "final")}


def test_the_folder_says_what_it_was_made_with_and_that_nothing_is_unsent(ended):
    folder = ended.run.folder.path
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"]
    state = json.loads((folder / "state.json").read_text())
    assert state["unsent"] == 0 and state["ended"] > 1450.0


def test_a_finished_study_is_shown_again_and_changes_nothing(ended):
    before = snapshot(ended.run.folder.path)
    console = Console(file=io.StringIO(), width=140)
    again = StudyRun(**{**vars_of(ended.run), "console": console})
    assert again.run() == 0
    said = console.file.getvalue()
    assert "this study is finished; nothing to do" in said and "ranked by ks_mean" in said
    assert snapshot(ended.run.folder.path) == before


def vars_of(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


def test_the_split_is_written_once_and_the_reference_measured(results, galaxy_cache, tmp_path):
    run = study_run(results, galaxy_cache, tmp_path)
    path = run.folder.path / "split.npz"
    path.unlink()
    catalogue = run.prepare()
    assert len(catalogue) == len(run.images.reference) == 40
    with np.load(path) as arrays:
        assert (arrays["train"] == run.images.train).all() and (arrays["reference"] == run.images.reference).all()
    other = StudyRun(
        **{**vars_of(run), "images": DatasetSplit(run.images.path, *[run.images.train[:40]] * 2, True, "")}
    )
    with pytest.raises(InputError, match="divides the images otherwise"):
        other.prepare()
    with np.load(path) as arrays:
        assert len(arrays["train"]) == 80
    assert len(run.prepare()) == 40, "a study that goes on keeps its division"
    run.folder.release()


def test_a_study_in_which_nothing_was_judged_has_failed(young, galaxy_cache):
    (data,) = galaxy_cache.iterdir()
    folder = StudyFolder(young.folder.parent, young.study)
    console = Console(file=io.StringIO(), width=140)
    images = SimpleNamespace(path=data)
    run = StudyRun(young.study, folder, images, Placement(1, 1, ()), "http://user:secret@host", console, 0.0)
    assert run.show_end(young.history) == 1
    assert "open http://" in console.file.getvalue() and "secret" not in console.file.getvalue()


def test_what_a_finalist_shares_with_the_training_images_is_said(young, galaxy_cache):
    console = Console(file=io.StringIO(), width=140)
    run = StudyRun(young.study, None, None, None, "", console, 0.0)
    row = SimpleNamespace(name="0007")
    run.say_finalist(row, {"ks_mean": 0.25})
    found = {"memorisation/in_training": 0.75, "memorisation/in_training_expected": 0.5}
    run.say_finalist(row, {"ks_mean": 0.25, **found})
    assert console.file.getvalue().splitlines() == [
        "finalist 0007: ks_mean 0.250",
        "finalist 0007: ks_mean 0.250, nearest real image is a training one for 75.0% (expected 50.0%)",
    ]
