"""What a study's folder holds is read without changing it, whatever state it was left in."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest

from common.errors import InputError
from study.config import load_study
from study.results.history import judged, open_database, read_json, read_split, read_trials
from tests.study.small_studies import snapshot


def trials(folder):
    return read_trials(load_study(folder / "study.yaml"), folder)


def test_trials_best_first_with_every_ending(results):
    rows = trials(results / "search")
    assert {row.name: row.ending for row in rows} == {
        "0000": "complete",
        "0001": "complete",
        "0002": "stopped early",
        "0003": "failed",
        "0004": "running",
    }
    assert [row.score for row in rows] == sorted(row.score for row in rows)


def test_reading_changes_nothing(results):
    before = snapshot(results)
    assert trials(results / "search") and trials(results / "ablation")
    assert read_split(results / "search") is not None
    assert snapshot(results) == before


def test_a_database_left_in_the_middle_of_a_write_is_read(results, tmp_path):
    """A killed driver leaves a rollback journal: what was committed before counts, and the journal stays."""
    shutil.copytree(results / "search", tmp_path / "search")
    database, copy = tmp_path / "search/optuna.db", tmp_path / "writer.db"
    shutil.copy(database, copy)
    writer = sqlite3.connect(copy, isolation_level=None)
    writer.execute("pragma cache_size = 2")
    writer.execute("begin immediate")
    writer.execute("delete from trial_user_attributes")
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n limit 20000)"
    writer.execute(f"create table filler as {numbers} select i, randomblob(200) from n")
    assert (tmp_path / "writer.db-journal").stat().st_size > 0
    shutil.copy(copy, database)
    shutil.copy(tmp_path / "writer.db-journal", tmp_path / "search/optuna.db-journal")
    writer.close()
    before = snapshot(tmp_path / "search")
    assert len(trials(tmp_path / "search")) == 5
    assert snapshot(tmp_path / "search") == before


def test_no_database_is_no_history_and_makes_none(tmp_path):
    with open_database(tmp_path / "optuna.db") as history:
        assert history is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_the_users_to_mend(tmp_path):
    (tmp_path / "optuna.db").write_bytes(b"not a database" * 100)
    with (
        pytest.raises(InputError, match=r"optuna\.db: not a database, or damaged"),
        open_database(tmp_path / "optuna.db"),
    ):
        pass


def test_the_division_says_whether_the_reference_was_held_out(tmp_path):
    assert read_split(tmp_path) is None
    for reference, held_out in ((np.arange(8, 10), True), (np.arange(8), False)):
        np.savez(tmp_path / "split.npz", train=np.arange(8), reference=reference)
        split = read_split(tmp_path)
        assert split is not None and split.held_out is held_out
    (tmp_path / "split.npz").write_bytes(b"damaged")
    assert read_split(tmp_path) is None


def test_absent_and_damaged_json_is_empty(tmp_path):
    assert read_json(tmp_path / "state.json") == {}
    (tmp_path / "state.json").write_text('{"a": 1')
    assert read_json(tmp_path / "state.json") == {}
    (tmp_path / "state.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "state.json") == {"a": 1}


def test_a_trial_is_judged_by_its_best_evaluation_or_the_finalists(results):
    import dataclasses

    folder = results / "search"
    rows = {row.name: row for row in trials(folder)}
    found = judged(rows["0000"], folder)
    assert found is not None and found[0] == rows["0000"].best
    assert found[1] == folder / "trials/0000/evaluations" / f"epoch-{found[0]['epoch']:05d}"
    final = dataclasses.replace(rows["0000"], final={"epoch": 2})
    assert judged(final, folder) == ({"epoch": 2}, folder / "finalists/0000")
    assert judged(rows["0003"], folder) is None
