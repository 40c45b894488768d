"""The parts of a report on trials: ranking, curves, importances, charts of axes."""

import dataclasses

import pytest

from study.config import load_study
from study.reporting.data import read_study
from study.reporting.trials import LAST, axis_charts, curves_chart, importances, ranking_table
from tests.study.results.rows import evaluation, trial_row

SPACE = """
study: axes
model: {width: 4}
train: {epochs: 3}
objective: {samples: 50, every_epochs: 1}
search: {scheduler: {grace_epochs: 1, reduction_factor: 2}}
axes:
  model.width: {choice: [2, 4]}
  train.lr: {float: [1.0e-4, 1.0e-2], log: true}
"""


@pytest.fixture(scope="module")
def data(results):
    return read_study(results / "search")


@pytest.fixture
def made(data, tmp_path):
    """A study with three trials made by hand."""
    (tmp_path / "space.yaml").write_text(SPACE)
    facts = {"ks_floor": 0.1, "ks_floor_95": 0.15, "failed/generated": 0.25}
    rows = [
        trial_row("0001", point={"model.width": 2, "train.lr": 1e-3}, epochs=2,
                  evaluations=tuple(evaluation(e, v, facts) for e, v in ((1, 0.5), (2, 0.25)))),
        trial_row("0000", role="baseline", epochs=1, evaluations=(evaluation(1, 0.4, facts, rankable=False),)),
        trial_row("0002", point={"model.width": 2}, ending="failed"),
    ]  # fmt: skip
    return dataclasses.replace(
        data, study=load_study(tmp_path / "space.yaml"), rows=rows, paths=["model.width", "train.lr"],
        importances={"model.width": 0.75, "train.lr": -0.01},
    )  # fmt: skip


def columns(table):
    heads = [head.text for head in table.heads]
    return [dict(zip(heads, line.cells, strict=True)) for line in table.lines]


def test_the_ranking_has_settings_what_was_reached_and_how_it_ended(made):
    table = ranking_table(made)
    first, baseline, failed = columns(table)
    said = {name: cell.text for name, cell in first.items()}
    assert said == {
        "rank": "1", "trial": "0001", "width": "2", "lr": "0.001", "objective": "0.250", "at epoch": "2",
        "floor": "0.100", "no fit": "25.0%", "epochs": "2/3", "ended": "complete",
    }  # fmt: skip
    assert baseline["trial"].text == "0000 baseline" and baseline["no fit"].text == "25.0% !"
    assert failed["objective"].text == "–" and failed["objective"].key == LAST
    assert [line.css for line in table.lines] == ["first", "base", ""]
    assert baseline["lr"].key == 2e-4, "sorted by its value, not by its text"


def test_several_objectives_have_no_first(made):
    both = dataclasses.replace(
        made.study, objective=dataclasses.replace(made.study.objective, metric=("ks_mean", "energy"))
    )
    rows = [
        dataclasses.replace(
            row, evaluations=tuple({**e, "objectives": {"ks_mean": 0.1, "energy": 0.2}} for e in row.evaluations)
        )
        for row in made.rows
    ]
    table = ranking_table(dataclasses.replace(made, study=both, rows=rows))
    assert {"ks_mean", "energy"} <= {head.text for head in table.heads}
    assert [line.css for line in table.lines] == ["", "base", ""]
    assert columns(table)[0]["energy"].text == "0.200"


def test_finalists_have_a_column_of_their_own(made):
    rows = [dataclasses.replace(made.rows[0], final=evaluation(2, 0.3, {"ks_floor": 0.05})), *made.rows[1:]]
    first, other, _ = columns(ranking_table(dataclasses.replace(made, rows=rows)))
    assert (first["final"].text, first["floor"].text, other["final"].text) == ("0.300", "0.050", "")
    assert other["final"].key == LAST


def test_before_the_first_trial_there_is_nothing(made):
    empty = dataclasses.replace(made, rows=[])
    assert ranking_table(empty) is None and curves_chart(empty) is None and axis_charts(empty) == []
    assert curves_chart(dataclasses.replace(made, rows=made.rows[2:])) is None


def test_curves_are_of_trials_that_were_judged(made):
    chart = curves_chart(made)
    assert chart.count('<g class="curve">') == 2
    assert "trial 0001: width=2 lr=0.001; complete, best 0.250" in chart
    assert "trial 0000 baseline: as the file; complete, best 0.400" in chart
    assert "rung 1" in chart and "rung 2" in chart and "noise floor 0.100, 95% below 0.150" in chart


def test_no_rungs_and_no_floor_where_there_are_none(made):
    search = dataclasses.replace(made.study.search, scheduler=dataclasses.replace(made.study.scheduler, name="none"))
    assert "rung 1" not in curves_chart(dataclasses.replace(made, study=dataclasses.replace(made.study, search=search)))
    energy = dataclasses.replace(made.study, objective=dataclasses.replace(made.study.objective, metric="energy"))
    assert "noise floor" not in curves_chart(dataclasses.replace(made, study=energy))


def test_importances_are_shares_in_percent_or_nothing(made):
    assert importances(made) == [("width", "75%"), ("lr", "0%")]
    assert importances(dataclasses.replace(made, importances="too few trials")) == []


def test_axes_are_drawn_with_the_trials_that_were_judged(made):
    charts = dict(axis_charts(made))
    assert list(charts) == ["width", "lr (log)"]
    assert "width = 2, 0.250" in charts["width"] and "width = 4, 0.400" in charts["width"]
    assert "lr = 0.001, 0.250" in charts["lr (log)"] and "lr = 0.0002, 0.400" in charts["lr (log)"]
    assert "0002" not in charts["width"], "it was never judged"


def test_an_ablation_weighs_no_axes(results):
    assert axis_charts(read_study(results / "ablation")) == []
