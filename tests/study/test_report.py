"""The command `study.report`: a page in the study's folder and a table in the terminal, or one message."""

from __future__ import annotations

import os

import pytest

from study.report import main
from tests.study.small_studies import snapshot


def test_the_command_writes_into_the_studys_folder_and_prints_the_table(results, capfd):
    assert main(["search", "--results", str(results)]) == 0
    said = capfd.readouterr().out
    assert "trials ranked by ks_mean" in said and "0002" in said and "stopped early" in said
    assert str(results / "search" / "report.html") in said
    assert (results / "search" / "report.html").read_text().startswith("<!doctype html>")
    (results / "search" / "report.html").unlink()


def test_an_ablation_prints_its_effects(results, tmp_path, capfd):
    assert main(["ablation", "--results", str(results), "--out", str(tmp_path / "page.html")]) == 0
    said = capfd.readouterr().out
    assert "one factor at a time" in said and "cleaner, less" in said
    assert "<h2>One factor at a time</h2>" in (tmp_path / "page.html").read_text()


def test_a_damaged_database_is_one_message(young, capfd):
    (young.folder / "optuna.db").write_bytes(b"not a database" * 100)
    assert main([str(young.folder)]) == 2
    errors = capfd.readouterr().err
    assert "optuna.db" in errors and "Traceback" not in errors
    assert not (young.folder / "report.html").exists()


def test_a_wrong_name_lists_the_studies_there(results, tmp_path, capfd):
    before = snapshot(results)
    assert main(["serach", "--results", str(results)]) == 2
    assert "studies there: ablation, search" in capfd.readouterr().err
    assert main(["x", "--results", str(tmp_path)]) == 2
    assert "no study is in" in capfd.readouterr().err
    assert os.listdir(tmp_path) == [] and snapshot(results) == before


@pytest.mark.parametrize("out", ["{tmp}", "{tmp}/none/report.html"])
def test_a_place_that_cannot_be_written_is_one_message(results, tmp_path, capfd, out):
    assert main(["search", "--results", str(results), "--out", out.format(tmp=tmp_path)]) == 2
    assert "expected a file in a folder that exists" in capfd.readouterr().err
