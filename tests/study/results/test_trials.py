"""What a study has found: rows, their order, what varies, the Pareto front."""

import json

import optuna
import pytest
from optuna.trial import TrialState

from study.config import load_study
from study.results.trials import collect, pareto, progress_counts, setting, varying
from study.storage.trial_folder import read_evaluations
from tests.study.results.rows import evaluation, trial_row

SPACE = """
study: rows
model: {width: 4, kernel_size: 4}
train: {epochs: 3}
objective: {samples: 50, every_epochs: 1}
axes:
  model.width: {choice: [2, 4]}
  train.flips: {choice: [true, false]}
  train.dropout.end_epoch: {choice: [null, 2]}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


def kept(folder, name, epoch):
    path = folder / "trials" / name / f"epoch-{epoch:05d}" / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def written(folder, name, values, **facts):
    for epoch, value in enumerate(values, 1):
        home = folder / "trials" / name / "evaluations" / f"epoch-{epoch:05d}"
        home.mkdir(parents=True)
        (home / "evaluation.json").write_text(json.dumps(evaluation(epoch, value, **facts)))


def begun(history, state=None, **attrs):
    trial = history.ask()
    for key, value in {"role": "search", "seed": 0, "point": "{}", **attrs}.items():
        trial.set_user_attr(key, value)
    if state is not None:
        history.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)
    return f"{trial.number:04d}"


def test_the_best_evaluation_is_one_whose_checkpoint_was_kept(tmp_path):
    row = trial_row("0000", [0.3, 0.1, 0.2], folder=tmp_path / "trials" / "0000")
    assert row.best["epoch"] == 2 and row.score == 0.1, "no checkpoint at all: the best there was"
    path = kept(tmp_path, "0000", 3)
    assert row.best["epoch"] == 3 and row.score == 0.2
    assert row.checkpoint(3) == path and row.checkpoint(2) is None


def test_a_finalist_is_ranked_by_its_last_judgement():
    assert trial_row("a", [0.1], final=evaluation(1, 0.4)).score == 0.4
    assert trial_row("a").score == float("inf") and trial_row("a").best is None


def test_rows_come_best_first_finalists_before_others(study, tmp_path):
    history = optuna.create_study()
    names = [begun(history, TrialState.COMPLETE, role="baseline", seed=7, point='{"model.width": 2}') for _ in "abc"]
    for name, value in zip(names, (0.1, 0.5, 0.4), strict=True):
        written(tmp_path, name, [value])
    final = tmp_path / "finalists" / names[2]
    final.mkdir(parents=True)
    (final / "evaluation.json").write_text(json.dumps(evaluation(1, 0.45)))
    unevaluated = begun(history)
    rows = collect(study, history, tmp_path)
    assert [row.name for row in rows] == [names[2], names[0], names[1], unevaluated]
    first = rows[0]
    assert (first.role, first.seed, first.point) == ("baseline", 7, {"model.width": 2})
    assert first.final["objective"] == 0.45 and first.folder == tmp_path / "trials" / names[2]


def test_endings(study, tmp_path):
    history = optuna.create_study()
    names = {}
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        names[begun(history, state)] = state
    gone = begun(history, TrialState.COMPLETE)
    written(tmp_path, gone, [0.1, 1.0], diverged="a loss is not finite")
    endings = {row.name: row.ending for row in collect(study, history, tmp_path)}
    assert list(endings.values()).count("diverged") == 1 and endings[gone] == "diverged"
    assert [endings[name] for name in names] == ["complete", "stopped early", "failed", "running"]
    (row,) = [row for row in collect(study, history, tmp_path) if row.name == gone]
    assert row.epochs == 2


def test_what_was_never_begun_is_no_row(study, tmp_path):
    history = optuna.create_study()
    history.enqueue_trial({})
    waiting = optuna.create_study()
    waiting.ask()
    begun(waiting, TrialState.FAIL, invalid="interrupted")
    assert collect(study, history, tmp_path) == collect(study, waiting, tmp_path) == []


def test_an_evaluation_that_was_cut_short_is_left_out(tmp_path):
    written(tmp_path, "0000", [0.3, 0.2])
    home = tmp_path / "trials" / "0000"
    (home / "evaluations" / "epoch-00003").mkdir()
    (home / "evaluations" / "epoch-00002" / "evaluation.json").write_text('{"epoch": 2')
    assert [e["epoch"] for e in read_evaluations(home)] == [1]
    assert read_evaluations(tmp_path / "nowhere") == ()


def test_what_varies_is_what_rows_differ_in_defaults_of_the_file_included(study):
    rows = [
        trial_row("a", point={"model.width": 4, "train.flips": True}),
        trial_row("b", point={"model.width": 2, "train.dropout.end_epoch": None}),
    ]
    assert varying(study, rows) == ["model.width"], "true and null are what the file says"
    assert varying(study, [*rows, trial_row("c", point={"train.dropout.end_epoch": 2})]) == [
        "model.width",
        "train.dropout.end_epoch",
    ]
    assert varying(study, []) == []


def test_settings_in_words(study):
    row = trial_row("a", point={"train.flips": False})
    assert setting(study, row, "train.flips") == "off"
    assert setting(study, row, "train.dropout.end_epoch") == "none" and setting(study, row, "model.width") == "4"


def test_the_front_is_what_nothing_beats_in_everything():
    def row(name, a, b, **fields):
        return trial_row(name, evaluations=({"epoch": 1, "objective": a, "objectives": {"a": a, "b": b}},), **fields)

    rows = [row("1", 1, 4), row("2", 2, 2), row("3", 4, 1), row("4", 3, 3), row("5", 2, 2), trial_row("none")]
    assert [r.name for r in pareto(rows, ("a", "b"))] == ["1", "2", "3", "5"]
    assert [r.name for r in pareto(rows, ("a",))] == ["1"]
    judged = row("6", 9, 9, final={"objective": 0, "objectives": {"a": 0, "b": 0}})
    assert [r.name for r in pareto([*rows, judged], ("a", "b"))] == ["6"]


def test_counts_by_ending():
    history = optuna.create_study()
    for state in (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None):
        begun(history, state)
    begun(history, TrialState.FAIL, invalid="no")
    assert progress_counts(history) == {"complete": 2, "stopped early": 1, "failed": 1}
