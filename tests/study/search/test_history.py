"""The database of a search after its process died."""

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState

from study.config import load_study
from study.search.history import open_history
from study.search.searcher import HistorySearch
from tests.study.trial_folders import save, tiny_trainer

ROOT = Path(__file__).resolve().parents[3]
SPACE = """\
study: demo
data: {set: synthetic, synthetic_count: 300}
model: {width: 16}
train: {epochs: 30}
objective: {every_epochs: 10, samples: 100, finalists: 0}
search: {sampler: random, trials: 3, scheduler: {name: none}}
axes: {train.lr: {float: [1.0e-5, 1.0e-2], log: true}}
presets: {slow: {train.lr: 2.0e-5}}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


@pytest.fixture(scope="module")
def trainer():
    return tiny_trainer()


def test_a_resumed_search_knows_what_was_evaluated_but_not_passed_on(study, trainer, tmp_path):
    history = open_history(study, tmp_path / "optuna.db")
    HistorySearch(study, history).suggest("dies")
    save(trainer, tmp_path / "trials" / "0000", 10, 0.25)
    again = open_history(study, tmp_path / "optuna.db")
    search = HistorySearch(study, again, tmp_path / "trials")
    assert again.study.trials[0].intermediate_values == {10: 0.25}
    assert search.suggest("goes on")["name"] == "0000"
    save(trainer, tmp_path / "trials" / "0000", 20, 0.125)
    search.on_trial_result("goes on", {"epoch": 30, "objective": 0.5, "resumed": 20})
    assert again.study.trials[0].intermediate_values == {10: 0.25, 20: 0.125, 30: 0.5}


def test_planned_trials_come_once_however_often_the_search_is_cut_short(study, tmp_path):
    for k in range(3):
        open_history(study, tmp_path / "optuna.db")
        search = HistorySearch(study, open_history(study, tmp_path / "optuna.db"))
        search.suggest("killed")
        search = HistorySearch(study, open_history(study, tmp_path / "optuna.db"))
        assert search.suggest("goes on")["number"] == k
        search.on_trial_complete("goes on", {"epoch": 30, "objective": 0.5, "final": True})
    trials = search.history.study.trials
    assert [t.user_attrs["role"] for t in trials] == ["baseline", "preset:slow", "search"]
    assert [t.params["train.lr"] for t in trials[:2]] == [2.0e-4, 2.0e-5]


def test_a_halted_search_leaves_its_trials_to_be_resumed(study, tmp_path):
    history = open_history(study, tmp_path / "optuna.db")
    search = HistorySearch(study, history)
    for name in ("a", "b"):
        search.suggest(name)
    search.on_trial_result("a", {"halt": "No space left on device"})
    for name in ("a", "b"):
        search.on_trial_complete(name, {"epoch": 10, "objective": 0.5})
    assert search.suggest("c") == search.FINISHED
    assert [t.state for t in history.study.trials] == [TrialState.RUNNING, TrialState.RUNNING]


def test_optuna_says_nothing_on_the_screen(tmp_path):
    text = "study: demo\nsearch: {sampler: tpe, trials: 5}\naxes: {train.lr: {choice: [1.0e-4, 2.0e-4]}}\n"
    (tmp_path / "space.yaml").write_text(text)
    code = (
        "import sys; from pathlib import Path; from study.config import load_study; "
        "from study.search.history import open_history; open_history(load_study(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "space.yaml"), str(tmp_path / "optuna.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
