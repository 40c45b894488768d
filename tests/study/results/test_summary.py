"""The end of a study in the terminal."""

import io

import pytest
from rich.console import Console

from study.config import load_study
from study.results.summary import notes, print_whole, ranked_table, show
from study.tasks.generation.objective import GalaxyObjective
from tests.study.results.rows import evaluation, trial_row

SPACE = """
study: ranked
model: {width: 4}
train: {epochs: 3}
objective: {samples: 50, every_epochs: 1}
axes:
  model.width: {choice: [2, 4]}
  train.lr: {choice: [2.0e-4, 1.0e-3]}
"""
OBJECTIVE = GalaxyObjective()


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


def judged(epoch, value, *, tie=0.02, **facts):
    return evaluation(epoch, value, {"ks_floor": 0.015, "failed/generated": 0.125, "ks_tie": tie}, **facts)


def row(name, value, **fields):
    return trial_row(name, epochs=3, evaluations=(judged(2, value, **fields.pop("facts", {})),), **fields)


def printed(table):
    text = io.StringIO()
    print_whole(Console(file=text, width=40), table)
    return text.getvalue()


def cells(text, name):
    (line,) = [line for line in text.splitlines() if name in line]
    return [cell.strip() for cell in line.strip("│┃").split("│")]


def test_trials_with_the_settings_that_vary(study):
    rows = [row("0001", 0.1, point={"model.width": 2}), row("0000", 0.3, role="baseline")]
    text = printed(ranked_table(study, OBJECTIVE, rows))
    assert "ranked: trials ranked by ks_mean (smaller is better)" in text
    assert cells(text, "0001") == ["1", "0001", "2", "0.100 @2", "0.015", "12.5%", "3/3", "complete"]
    assert cells(text, "0000")[:3] == ["2", "0000 baseline", "4"]
    assert "lr" not in text


def test_a_trial_without_an_evaluation_has_dashes(study):
    text = printed(ranked_table(study, OBJECTIVE, [row("0000", 0.3), trial_row("0001", ending="failed")]))
    assert cells(text, "0001") == ["2", "0001", "-", "-", "-", "0", "failed"]


def test_finalists_have_a_column_and_their_own_floors(study):
    final = evaluation(2, 0.2, {"ks_floor": 0.005}, samples=400)
    rows = [row("0001", 0.1, final=final), row("0000", 0.15)]
    text = printed(ranked_table(study, OBJECTIVE, rows))
    assert cells(text, "0001") == ["1", "0001", "0.200", "0.100 @2", "0.005", "-", "3/3", "complete"]
    assert cells(text, "0000")[2] == ""
    assert notes(study, OBJECTIVE, rows) == [OBJECTIVE.final_note(400)]


def test_shapes_without_fits_are_marked(study):
    rows = [row("0000", 0.1, facts={"rankable": False}), row("0001", 0.3)]
    assert "12.5%!" in cells(printed(ranked_table(study, OBJECTIVE, rows)), "0000")
    assert any(note.startswith("!: fewer than 70%") for note in notes(study, OBJECTIVE, rows))


def test_ties_are_named_and_the_baseline_has_its_rank(study):
    rows = [row("0001", 0.10), row("0002", 0.11), row("0003", 0.13), row("0000", 0.14, role="baseline")]
    assert notes(study, OBJECTIVE, rows) == [
        "tied with the first within the noise (0.020): 0002",
        "baseline: 0.140, rank 4; best: 0.100",
    ]


def test_no_note_where_nothing_was_judged(study):
    assert notes(study, OBJECTIVE, []) == notes(study, OBJECTIVE, [trial_row("0000")]) == []


def test_several_objectives_have_a_column_each_and_a_front(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE.replace("samples: 50", "samples: 50, metric: [ks_mean, energy]"))
    study = load_study(tmp_path / "space.yaml")

    def both(name, a, b):
        found = judged(2, a) | {"objectives": {"ks_mean": a, "energy": b}}
        return trial_row(name, epochs=3, evaluations=(found,))

    rows = [both("0000", 0.1, 0.4), both("0001", 0.2, 0.3), both("0002", 0.3, 0.5)]
    text = printed(ranked_table(study, OBJECTIVE, rows))
    assert cells(text, "0001")[2:4] == ["0.200", "0.300"]
    assert notes(study, OBJECTIVE, rows)[-1] == "Pareto front: 0000, 0001"


def test_the_end_names_settings_checkpoint_and_what_to_do_next(study, tmp_path):
    rows = [row("0001", 0.1, point={"model.width": 2}), row("0000", 0.3, role="baseline")]
    text = io.StringIO()
    show(
        Console(file=text, width=60), study, OBJECTIVE, rows, tmp_path / "[bold]x",
        best=tmp_path / "best.pt", use="Use it: so", ui="mlflow ui",
    )  # fmt: skip
    said = text.getvalue()
    assert "Best settings:   model.width = 2\n" in said and f"Best checkpoint: {tmp_path / 'best.pt'}\n" in said
    assert "Use it: so\n" in said and "Compare trials:  mlflow ui\n" in said
    assert f"python -m study.report {tmp_path}/[bold]x\n" in said, "no markup, no wrapping"


def test_without_a_checkpoint_nothing_is_promised(study, tmp_path):
    text = io.StringIO()
    show(Console(file=text, width=60), study, OBJECTIVE, [], tmp_path, best=None, use="Use it: so", ui="u")
    assert "Best" not in text.getvalue() and "Use it" not in text.getvalue() and "Full report" in text.getvalue()
