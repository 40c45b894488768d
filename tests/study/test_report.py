"""The report of a study: finished, interrupted or running; read without changing it; shown without a network."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import optuna
import pytest

from eval.catalogue import write_catalogue
from eval.measure import measure
from gan.datasets.synthetic import draw
from gan.sample import sample
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.config.errors import InputError
from study.config.study import load_study
from study.report import main
from study.reporting.data import read_study
from study.reporting.page import page
from study.results.find import find_study
from study.results.recorded_trials import trial_name
from study.search.searcher import open_history
from study.tasks.generation.evaluation import Reference, evaluate, objectives, write_evaluation

SPACE = """
study: {name}
description: Is <b>wider</b> better & how much?
data: {{set: synthetic, synthetic_count: 120}}
model: {{width: 2, latent_dim: 4}}
train: {{epochs: 2, batch_size: 16}}
objective: {{samples: 50, every_epochs: 1, finalists: 1}}
search: {search}
axes:
  model.width: {{choice: [2, 3]}}
  train.label_smoothing: {{choice: [0.0, 0.3]}}
"""
TPE = "{sampler: tpe, trials: 6, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 3}}"
ABLATION = "{sampler: ablation, repeats: 2, scheduler: {judge_over: 1}}"


@pytest.fixture(scope="module")
def galaxies():
    images, _ = draw(120, size=64, seed=0)
    return images, measure(images[80:])


def begin(results: Path, name: str, search: str, galaxies) -> tuple:
    """A study's folder as `study.run` makes it before its first trial."""
    folder = results / name
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(SPACE.format(name=name, search=search))
    study = load_study(folder / "study.yaml")
    (folder / "state.json").write_text(json.dumps({"study_id": "1", "begun": 1000.0, "digest": "", "ended": None}))
    np.savez(folder / "split.npz", train=np.arange(80), reference=np.arange(80, 120))
    write_catalogue(galaxies[1], folder / "reference.parquet")
    return study, open_history(study, folder / "optuna.db"), folder


def train(study, history, folder: Path, galaxies, *, ends: str = "complete", until: int = 2) -> str:
    """One trial: trained, evaluated and told to Optuna as `study.trials.worker` and `study.search.searcher` do."""
    trial = history.ask()
    if "point" not in trial.user_attrs:
        point = {"model.width": 3, "train.label_smoothing": 0.3}
        for key, value in (("role", "search"), ("seed", 0), ("point", json.dumps(point))):
            trial.set_user_attr(key, value)
    point, seed = json.loads(trial.user_attrs["point"]), trial.user_attrs["seed"]
    if ends == "failed":
        trial.set_user_attr("error", "RuntimeError: the <GPU> is gone")
        history.tell(trial, state=optuna.trial.TrialState.FAIL)
        return trial_name(trial.number)
    images, catalogue = galaxies
    trainer = Trainer(*study.configure(point, seed), images[:80], device="cpu", threads=1)
    reference = Reference(catalogue, images[80:])
    home = folder / "trials" / trial_name(trial.number)
    for epoch in range(1, until + 1):
        trainer.train_epoch()
        evaluation = evaluate(sample(trainer.generator_for_sampling(), 50, seed=seed), reference, engine="fast")
        values = objectives(evaluation.metrics, study.objective.metrics)
        facts = {"trial": trial_name(trial.number), "epoch": epoch, "objective": values["ks_mean"]}
        facts |= {"objectives": values, "time": 1000.0 + trial.number * 10 + epoch}
        write_evaluation(evaluation, home / "evaluations" / f"epoch-{epoch:05d}", facts)
        (home / f"epoch-{epoch:05d}").mkdir()
        checkpoint.save(trainer, home / f"epoch-{epoch:05d}" / "checkpoint.pt")
        trial.report(values["ks_mean"], epoch)
    if ends == "complete":
        history.tell(trial, values["ks_mean"])
    elif ends == "stopped":
        history.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return trial_name(trial.number)


@pytest.fixture(scope="module")
def results(tmp_path_factory, galaxies) -> Path:
    """Two studies: an interrupted search with trials of every ending, and a finished ablation of two seeds."""
    home = tmp_path_factory.mktemp("results")
    study, history, folder = begin(home, "search", TPE, galaxies)
    for ends, until in (("complete", 2), ("complete", 2), ("stopped", 1), ("failed", 0), ("running", 1)):
        train(study, history, folder, galaxies, ends=ends, until=until)
    study, history, folder = begin(home, "ablation", ABLATION, galaxies)
    for _ in study.planned():
        train(study, history, folder, galaxies)
    (folder / "state.json").write_text(json.dumps({"study_id": "2", "begun": 1000.0, "ended": 1450.0}))
    return home


@pytest.fixture(scope="module")
def searched(results) -> str:
    return page(read_study(results / "search"))


class Tags(HTMLParser):
    """Collects what a browser would load or run, and checks that tags close in order."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "path", "polyline")

    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_the_page_needs_nothing_but_itself(searched):
    tags = parsed(searched)
    assert tags.links and all(link.startswith("data:image/png;base64,") for link in tags.links)
    assert "@import" not in searched and "url(" not in searched
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", searched)


def test_the_page_has_its_parts(searched):
    titles = re.findall(r"<h2>(.*?)</h2>", searched)
    assert titles == [
        "What was searched",
        "Trials, best first",
        "Objective against epoch",
        "What mattered",
        "The best trial",
        "Distances, each beside its floor",
        "Trials that ended before their time",
        "How to reproduce this",
    ]
    assert parsed(searched).counts["img"] == 2  # samples and histograms; the set itself is not there


def test_what_users_write_is_escaped(searched):
    assert "Is &lt;b&gt;wider&lt;/b&gt; better &amp; how much?" in searched
    assert "the &lt;GPU&gt; is gone" in searched and "<GPU>" not in searched


def test_every_trial_is_in_the_table_with_its_numbers(results, searched):
    data = read_study(results / "search")
    assert {row.name: row.ending for row in data.rows} == {
        "0000": "complete",
        "0001": "complete",
        "0002": "stopped early",
        "0003": "failed",
        "0004": "running",
    }
    table = re.search(r"<table class='sortable'>.*?</table>", searched, re.S)
    assert table is not None
    assert table[0].count("<tr") == 6
    for row in data.rows:
        if row.best:
            assert f'data-k="{row.best["objective"]}">{row.best["objective"]:.3f}</td>' in table[0]


def test_curves_of_all_trials_with_rung_and_floor(results, searched):
    assert searched.count('<g class="curve">') == 4
    assert "rung 1" in searched
    floor = read_study(results / "search").floor()
    assert floor == pytest.approx(0.8687 * np.sqrt(1 / 40 + 1 / 50), rel=1e-3)
    assert f"<title>noise floor {floor:.3f}, 95% below" in searched


def test_importances_are_not_made_up_from_few_trials(searched):
    assert "it takes 10 trials that ran to their end, and there are 2" in searched


def test_importances_of_enough_trials(galaxies, tmp_path):
    """The objective depends on one of two axes only, and that one gets nearly all the importance."""
    _, history, folder = begin(tmp_path, "many", TPE, galaxies)
    space = {
        "model.width": optuna.distributions.CategoricalDistribution(["2", "3"]),
        "train.label_smoothing": optuna.distributions.CategoricalDistribution(["0.0", "0.3"]),
    }
    for number in range(40):
        width, smoothing = ("2", "3")[number % 2], ("0.0", "0.3")[number // 2 % 2]
        value = (0.5 if width == "2" else 0.2) + number * 1e-5
        params = {"model.width": width, "train.label_smoothing": smoothing}
        history.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    found = read_study(folder).importances
    assert isinstance(found, dict)
    assert found["model.width"] > 0.95 and sum(found.values()) == pytest.approx(1)


def test_why_trials_ended(results):
    stops = read_study(results / "search").stops
    assert stops["0003"] == "RuntimeError: the <GPU> is gone"
    assert set(stops) == {"0002", "0003"}


def test_distances_stand_beside_their_floors(results, searched):
    judged = read_study(results / "search").judged
    assert len(judged) == 1 and not judged[0].final
    comparison = judged[0].comparison
    assert f"<td>flux</td><td class='n'>{comparison.floor:.3f}</td>" in searched
    assert f"{comparison.ks['flux']:.3f} <small>{comparison.ks['flux'] / comparison.floor:.1f}×</small>" in searched


def test_status_finished_interrupted_running(results):
    assert read_study(results / "ablation").status == "finished"
    assert read_study(results / "search").status == "interrupted"
    with open(results / "search" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_study(results / "search").status == "running"
    (results / "search" / ".lock").unlink()


def test_an_interrupted_study_says_how_to_go_on(searched):
    assert "--resume" in searched


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_reading_changes_nothing(results):
    before = snapshot(results)
    page(read_study(results / "search"))
    page(read_study(results / "ablation"))
    assert snapshot(results) == before


def test_a_database_left_in_the_middle_of_a_write_is_read(results, tmp_path, galaxies):
    """A killed driver leaves a rollback journal: what was committed before counts, and the journal stays."""
    import shutil

    shutil.copytree(results / "search", tmp_path / "search")
    database = tmp_path / "search/optuna.db"
    writer = sqlite3.connect(tmp_path / "writer.db", isolation_level=None)
    writer.close()
    shutil.copy(database, tmp_path / "writer.db")
    writer = sqlite3.connect(tmp_path / "writer.db", isolation_level=None)
    writer.execute("pragma cache_size = 2")
    writer.execute("begin immediate")
    writer.execute("delete from trial_user_attributes")
    writer.execute("create table filler as with recursive n(i) as (select 1 union all select i + 1 from n limit 20000) select i, randomblob(200) from n")  # fmt: skip  # noqa: E501
    assert (tmp_path / "writer.db-journal").stat().st_size > 0
    shutil.copy(tmp_path / "writer.db", database)
    shutil.copy(tmp_path / "writer.db-journal", tmp_path / "search/optuna.db-journal")
    writer.close()
    before = snapshot(tmp_path / "search")
    assert len(read_study(tmp_path / "search").rows) == 5
    assert snapshot(tmp_path / "search") == before


def test_a_study_before_its_first_trial_has_a_page(galaxies, tmp_path):
    _, _, folder = begin(tmp_path, "young", TPE, galaxies)
    text = page(read_study(folder))
    parsed(text)
    assert "No trial has begun." in text
    (folder / "optuna.db").unlink()
    (folder / "split.npz").unlink()
    (folder / "reference.parquet").unlink()
    assert "No trial has begun." in page(read_study(folder))
    assert not (folder / "optuna.db").exists()


def test_a_damaged_database_is_one_message(galaxies, tmp_path, capfd):
    _, _, folder = begin(tmp_path, "broken", TPE, galaxies)
    (folder / "optuna.db").write_bytes(b"not a database" * 100)
    assert main([str(folder)]) == 2
    errors = capfd.readouterr().err
    assert "optuna.db" in errors and "Traceback" not in errors
    assert not (folder / "report.html").exists()


def test_an_ablation_shows_paired_effects_and_the_paper(results, capfd):
    out = results / "ablation.html"
    assert main(["ablation", "--results", str(results), "--out", str(out)]) == 0
    said = capfd.readouterr().out
    assert "one factor at a time" in said and "cleaner, less" in said
    text = out.read_text()
    parsed(text)
    assert "<h2>One factor at a time</h2>" in text and "2/2" in text
    data = read_study(results / "ablation")
    for level in data.levels:
        assert level.main.in_words() in text


def test_the_command_writes_into_the_studys_folder_and_prints_the_table(results, capfd):
    assert main(["search", "--results", str(results)]) == 0
    said = capfd.readouterr().out
    assert "trials ranked by ks_mean" in said and "0002" in said and "stopped early" in said
    assert str(results / "search" / "report.html") in said
    assert (results / "search" / "report.html").read_text().startswith("<!doctype html>")
    (results / "search" / "report.html").unlink()


def test_a_wrong_name_lists_the_studies_there(results, tmp_path, capfd):
    assert main(["serach", "--results", str(results)]) == 2
    assert "studies there: ablation, search" in capfd.readouterr().err
    with pytest.raises(InputError, match="studies there: ablation, search"):
        find_study(str(results), tmp_path)
    assert main(["x", "--results", str(tmp_path)]) == 2
    assert "no study is in" in capfd.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("out", ["{tmp}", "{tmp}/none/report.html"])
def test_a_place_that_cannot_be_written_is_one_message(results, tmp_path, capfd, out):
    assert main(["search", "--results", str(results), "--out", out.format(tmp=tmp_path)]) == 2
    assert "expected a file in a folder that exists" in capfd.readouterr().err
