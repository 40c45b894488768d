"""The database of a search after its process died."""

import json

import numpy as np
import pytest
from optuna.trial import TrialState

from gan.config import ModelConfig, TrainConfig
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.config import load_study
from study.search.history import open_history
from study.search.searcher import HistorySearch

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
    images = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), np.uint8)
    model = ModelConfig(image_size=16, width=4, latent_dim=8)
    return Trainer(model, TrainConfig(batch_size=16), images, device="cpu", threads=1)


def save(trainer, home, epoch, objective=0.5):
    """A checkpoint with its account, and the evaluation of its epoch, as a worker leaves them."""
    losses = [{"epoch": e, "time": 1000.0 + e, "loss/generator": e / 8, "loss/discriminator": 1.0} for e in
              range(1, epoch + 1)]  # fmt: skip
    folder = home / f"epoch-{epoch:05d}"
    folder.mkdir(parents=True)
    checkpoint.save(trainer, folder / "checkpoint.pt")
    (folder / "metrics.json").write_text(json.dumps({"epoch": epoch, "objective": objective, "losses": losses}))
    evaluated = home / "evaluations" / folder.name
    evaluated.mkdir(parents=True)
    facts = {"epoch": epoch, "objective": objective, "time": 1000.0 + epoch, "final": epoch == 30, "diverged": None}
    (evaluated / "evaluation.json").write_text(json.dumps({**facts, "metrics": {"ks_mean": objective}}))
    return folder


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
