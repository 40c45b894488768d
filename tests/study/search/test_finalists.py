"""The best trials judged once more, and the best checkpoint kept."""

import json
import shutil

import pytest

from study.config import load_study
from study.results.history import read_trials
from study.search.finalists import judge_finalists, keep_best
from study.tasks.generation.evaluation import GalaxyEvaluation
from study.tasks.generation.objective import GalaxyObjective


@pytest.fixture
def folder(results, tmp_path):
    return shutil.copytree(results / "search", tmp_path / "search")


def rows_of(folder):
    return read_trials(load_study(folder / "study.yaml"), folder)


def judged(folder, finalists, value=lambda row: 0.5):
    """Judge the finalists; returns what was judged, in order, and what was said."""
    study = load_study(folder / "study.yaml", [f"objective.finalists={finalists}"])
    seen, said, done = [], [], []

    def judge(row, path):
        seen.append((row.name, path))
        return GalaxyEvaluation(metrics={"ks_mean": value(row)}, rankable=True), 123

    judge_finalists(
        study, rows_of(folder), folder, objective=GalaxyObjective(), judge=judge,
        done=lambda row, metrics: done.append((row.name, metrics)), say=said.append,
    )  # fmt: skip
    assert [name for name, _ in done] == [name for name, _ in seen]
    return seen, said


def test_the_best_trials_are_judged_by_their_best_checkpoint(folder):
    first, second, *_ = rows_of(folder)
    seen, said = judged(folder, 2)
    assert seen == [(row.name, row.checkpoint(row.best["epoch"])) for row in (first, second)] and said == []
    facts = json.loads((folder / "finalists" / first.name / "evaluation.json").read_text())
    assert (facts["objective"], facts["objectives"], facts["samples"]) == (0.5, {"ks_mean": 0.5}, 123)
    assert (facts["trial"], facts["epoch"], facts["rankable"]) == (first.name, first.best["epoch"], True)


def test_the_order_of_the_table_is_that_of_the_last_judgement(folder):
    first, second, *_ = rows_of(folder)
    judged(folder, 2, value=lambda row: 0.9 if row.name == first.name else 0.8)
    assert [row.name for row in rows_of(folder)][:2] == [second.name, first.name]


def test_none_is_judged_twice_and_none_too_many(folder):
    names = [row.name for row in rows_of(folder)]
    assert [name for name, _ in judged(folder, 1)[0]] == names[:1]
    assert [name for name, _ in judged(folder, 2)[0]] == names[1:2], "the first is there already"
    assert judged(folder, 2)[0] == judged(folder, 0)[0] == []


def test_failed_trials_and_those_without_a_checkpoint_are_passed_over(folder):
    first, *others = rows_of(folder)
    for kept in first.folder.glob("epoch-*"):
        shutil.rmtree(kept)
    able = [row.name for row in others if row.ending != "failed"]
    assert sorted(name for name, _ in judged(folder, 99)[0]) == sorted(able)


def test_a_damaged_checkpoint_is_said_and_the_next_best_judged(folder):
    first = next(row for row in rows_of(folder) if len(row.evaluations) == 2)
    path = first.checkpoint(first.best["epoch"])
    path.write_bytes(path.read_bytes()[:-100])
    seen, (said,) = judged(folder, 99)
    (other,) = [e["epoch"] for e in first.evaluations if e["epoch"] != first.best["epoch"]]
    assert (first.name, first.checkpoint(other)) in seen
    assert said.startswith(f"trial {first.name}: ") and "next best checkpoint is judged" in said


def test_the_best_checkpoint_is_kept_as_it_is(folder):
    first, *_ = rows_of(folder)
    best = keep_best(first, folder)
    assert best == folder / "best" / "checkpoint.pt"
    assert best.read_bytes() == first.checkpoint(first.best["epoch"]).read_bytes()
    other = next(row for row in rows_of(folder)[1:] if row.best)
    assert keep_best(other, folder).read_bytes() == other.checkpoint(other.best["epoch"]).read_bytes()


def test_without_a_checkpoint_nothing_is_kept(folder):
    failed = next(row for row in rows_of(folder) if row.ending == "failed")
    assert keep_best(failed, folder) is None and not (folder / "best").exists()
