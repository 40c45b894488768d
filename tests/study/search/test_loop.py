"""The stopping rule of a study, and how Tune's events reach MLflow and the screen."""

import io
import pickle
from types import SimpleNamespace

import mlflow
import pytest
from rich.console import Console

from study.search.history import open_history
from study.search.loop import Listener, make_halving
from study.search.progress import Progress
from study.search.searcher import HistorySearch
from study.tracking.mlflow_tracker import Tracker
from tests.study.config.spaces import load

TWO = ("axes={train.lr: {float: [1.0e-5, 1.0e-2], log: true}}", "search.trials=4", "train.dropout.placement=none")


def test_the_rule_is_that_of_the_file(tmp_path):
    study = load(tmp_path, "search.scheduler={grace_epochs: 4, reduction_factor: 2, judge_over: 1}")
    halving = make_halving(study)
    assert halving.rungs == [4, 8, 16, 32]
    assert not halving.judge(0, 4, 0.1) and halving.judge(1, 4, 0.2)


@pytest.mark.parametrize(
    "settings",
    [
        ["search.scheduler.name=none"],
        ["objective.metric=[ks_mean, energy]"],
        ["search={sampler: ablation}", "axes.train.dropout.end_epoch=null"],
    ],
)
def test_no_rule_where_none_is_asked_for_or_none_would_be_fair(tmp_path, settings):
    assert make_halving(load(tmp_path, *settings)) is None


class Heard:
    """A listener with a real MLflow store and a screen in memory."""

    def __init__(self, folder):
        self.study = load(folder, *TWO)
        self.uri, self.text = f"sqlite:///{folder / 'mlflow.db'}", io.StringIO()
        self.search = HistorySearch(self.study, open_history(self.study, folder / "optuna.db"))
        self.tracker = Tracker(self.uri, self.study, "identity", folder / "artifacts")
        self.tracker.start({})
        self.progress = Progress(Console(file=self.text, width=200), 4)
        self.listener = Listener(self.tracker, self.progress, folder / "trials")
        self.folder = folder

    def trial(self, name, **fields):
        return SimpleNamespace(config=self.search.suggest(name), path=str(self.folder / "tune" / name), **fields)

    def runs(self):
        assert self.tracker.close("FINISHED") == 0
        client = mlflow.MlflowClient(self.uri)
        found = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
        return {run.data.tags.get("trial_id", "study"): run for run in found}


def test_events_reach_mlflow_and_the_screen(tmp_path):
    heard = Heard(tmp_path)
    listener = heard.listener
    report = {"epoch": 2, "objective": 0.25, "history": [{"epoch": e, "loss/generator": 1.0 * e} for e in (1, 2)]}

    whole = heard.trial("whole", last_result={**report, "final": True})
    listener.on_trial_start(0, [], whole)
    listener.on_trial_result(0, [], whole, {**report, "resumed": 1, "notes": ["epoch-00003: cut short"]})
    listener.on_trial_complete(0, [], whole)

    stopped = heard.trial("stopped", last_result={**report, "diverged": "a loss is not finite"})
    listener.on_trial_complete(0, [], stopped)

    failed = heard.trial("failed", last_result={"failed": "RuntimeError: no", "traceback": "Traceback: all of it"})
    listener.on_trial_complete(0, [], failed)

    (tmp_path / "error.txt").write_text("Traceback\n  somewhere\nRayError: the node is gone\n\n")
    lost = heard.trial("lost", error_file=str(tmp_path / "error.txt"))
    listener.on_trial_error(0, [], lost)

    runs = heard.runs()
    assert {name: run.info.status for name, run in runs.items()} == {
        "study": "FINISHED", "0000": "FINISHED", "0001": "FINISHED", "0002": "FAILED", "0003": "FAILED"
    }  # fmt: skip
    tags = {name: run.data.tags for name, run in runs.items()}
    assert (tags["0000"]["ending"], tags["0000"]["epochs"]) == ("complete", "2")
    assert runs["0000"].data.metrics["loss/generator"] == 2.0 and tags["0000"]["notes"] == "epoch-00003: cut short"
    assert (tags["0001"]["ending"], tags["0001"]["diverged"]) == ("stopped early", "a loss is not finite")
    assert tags["0002"]["error"] == "RuntimeError: no" and tags["0003"]["error"] == "RayError: the node is gone"
    assert (tmp_path / "tune" / "failed" / "error.txt").read_text() == "Traceback: all of it"

    said = heard.text.getvalue()
    assert "trial 0000: epoch-00003: cut short\n" in said and "trial 0000 goes on from epoch 1\n" in said
    assert f"  RuntimeError: no  (in full: {tmp_path / 'tune' / 'failed' / 'error.txt'})\n" in said
    assert "4/4 trials, 1 stopped early, 2 failed" in said


def test_a_halted_study_leaves_its_trials_open(tmp_path):
    heard = Heard(tmp_path)
    trial = heard.trial("halted", last_result={"epoch": 1, "objective": 0.5})
    heard.listener.on_trial_result(0, [], trial, {"halt": "No space left on device"})
    heard.listener.on_trial_complete(0, [], trial)
    run = heard.runs()["0000"]
    assert run.info.status == "RUNNING" and "ending" not in run.data.tags
    assert "complete" not in heard.text.getvalue()


def test_an_error_that_left_no_file_is_said_too(tmp_path):
    heard = Heard(tmp_path)
    heard.listener.on_trial_error(0, [], heard.trial("lost", error_file=None))
    assert heard.runs()["0000"].data.tags["error"] == "no error was recorded"


def test_tune_may_copy_a_listener(tmp_path):
    """Tune pickles its callbacks with the experiment's state: files and threads stay out of it."""
    listener = Listener(tracker=open(__file__), progress=None)  # type: ignore[arg-type]  # noqa: SIM115
    assert type(pickle.loads(pickle.dumps(listener))) is Listener
