"""`python -m study.run` as a user runs it: real Ray, real MLflow store, real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest

from study.run import main

ROOT = Path(__file__).resolve().parents[2]
TINY = """\
study: tiny
description: two trials in a minute
data: {set: synthetic, synthetic_count: 240, held_out: 80}
model: {width: 8}
train: {epochs: 3, batch_size: 32, lr: 1.0e-3}
objective: {samples: 80, every_epochs: 1, finalists: 1, final_samples: 120}
search: {sampler: random, trials: 3, scheduler: {name: asha, grace_epochs: 1, reduction_factor: 2, judge_over: 1}}
axes: {train.lr: {float: [1.0e-4, 1.0e-2], log: true}}
"""


def space(folder, text=TINY):
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def command(folder, *more):
    arguments = ["--space", str(folder / "tiny.yaml"), "--results", str(folder / "results"), *more]
    return [sys.executable, "-m", "study.run", *arguments]


def run(folder, *more, timeout=420):
    return subprocess.run(command(folder, *more), cwd=ROOT, capture_output=True, text=True, timeout=timeout)


def history(folder, name="tiny"):
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'results' / name / 'optuna.db'}")


def children(folder, name="tiny"):
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'results' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return client, {r.data.tags.get("trial_id", "study"): r for r in runs}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "data.set=nowhere"], ["nowhere", "python -m gan.prepare", "kaggle"]),
        (["--set", "objective.samples=9000"], ["objective.samples", "9000", "240"]),
        (["--set", "train.batch_size=200"], ["data.held_out", "200", "240"]),
        (["--set", "resources.gpus_per_worker=4"], ["GPU", "resources.gpus_per_worker=0"]),
        (["--set", "resources.cpus_per_worker=999"], ["999 CPU"]),
        (["--set", "model.family=cnn"], ["model.family", "dcgan"]),
        (["--tracking-uri", "http://127.0.0.1:9"], ["--tracking-uri", "no MLflow server"]),
        (["--tracking-uri", "somewhere"], ["--tracking-uri", "sqlite"]),
        (["--resume"], ["no study"]),
        (["--finish"], ["--finish", "--resume"]),
        (["--address", "127.0.0.1:9"], ["--address"]),
    ],
)
def test_wrong_input_is_one_message_exit_2_and_nothing_made(tmp_path, capsys, arguments, says):
    if "GPU" in says and _gpus():
        pytest.skip("this machine has GPUs")
    path = space(tmp_path)
    assert main(["--space", str(path), "--results", str(tmp_path / "results"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("error:") == 1 and "Traceback" not in captured.err
    assert all(part in captured.err for part in says)
    assert not (tmp_path / "results" / "tiny" / "state.json").exists()


def _gpus():
    import torch

    return torch.cuda.is_available()


def test_results_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("not a folder")
    assert main(["--space", str(space(tmp_path)), "--results", str(tmp_path / "file" / "results")]) == 2
    assert "--results" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.mark.parametrize("name", ["dcgan128", "quickstart"])
def test_a_dry_run_plans_and_starts_nothing(tmp_path, name):
    arguments = ["--space", f"search_spaces/{name}.yaml", "--dry-run", "--results", str(tmp_path / "results")]
    done = subprocess.run([sys.executable, "-m", "study.run", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for word in ("trials", "early stopping", "rungs at", "one trial", "expected time", "noise floor"):
        assert word in done.stdout
    assert not (tmp_path / "results").exists()
    if name == "dcgan128":
        assert "data/galaxy_zoo" in done.stdout and "python -m gan.prepare" in done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    space(folder)
    return folder, run(folder)


@pytest.mark.ray
def test_a_study_runs_to_its_table(finished):
    _, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("ranked by ks_mean", "0000 baseline", "Best settings:", "Best checkpoint:", "mlflow ui", "floor"):
        assert text in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.ray
def test_its_history_agrees_with_its_folders(finished):
    folder, _ = finished
    trials = history(folder).trials
    assert len(trials) == 3 and all(t.state.is_finished() for t in trials)
    for trial in trials:
        home = folder / "results" / "tiny" / "trials" / f"{trial.number:04d}"
        facts = [json.loads(p.read_text()) for p in sorted(home.glob("evaluations/*/evaluation.json"))]
        assert {f["epoch"]: f["objective"] for f in facts} == pytest.approx(trial.intermediate_values)
        assert (home / "evaluations" / "epoch-00001" / "samples.png").exists()
        assert (home / "evaluations" / "epoch-00001" / "histograms.png").exists()


@pytest.mark.ray
def test_its_best_checkpoint_makes_the_galaxies_that_were_judged(finished):
    from eval.catalogue import read_catalogue
    from eval.measure import measure
    from gan.sample import sample
    from gan.training.checkpoint import load_generator

    folder, _ = finished
    home = folder / "results" / "tiny"
    final = json.loads(next(home.glob("finalists/*/evaluation.json")).read_text())
    generator, config = load_generator(home / "best" / "checkpoint.pt")
    assert config.width == 8
    judged = read_catalogue(next(home.glob("finalists/*/generated.parquet")))
    again = measure(sample(generator, final["samples"], seed=1_000_003))
    assert (judged["status"] == again["status"]).mean() > 0.95
    assert np.isclose(judged["flux"], again["flux"], equal_nan=True, rtol=1e-3).mean() > 0.8


@pytest.mark.ray
def test_mlflow_tells_the_trials_apart(finished):
    folder, _ = finished
    client, runs = children(folder)
    assert set(runs) == {"study", "0000", "0001", "0002"}
    parent = runs["study"]
    assert parent.info.status == "FINISHED" and parent.data.tags["study"] == "tiny"
    assert {a.path for a in client.list_artifacts(parent.info.run_id)} >= {"study.yaml", "environment.json", "model"}
    rates = set()
    for name in ("0000", "0001", "0002"):
        trial = runs[name]
        assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert trial.info.status == "FINISHED"
        rates.add(trial.data.params["train.lr"])
        expected = {"objective", "ks_mean", "ks_max", "ks_floor", "failed/generated", "failed/real", "loss/generator"}
        expected |= {"loss/discriminator", "images_per_second"}
        expected |= {f"ks/{p}" for p in ("ellipticity", "position_angle", "flux", "semi_major_axis")}
        assert expected <= set(trial.data.metrics)
        steps = [m.step for m in client.get_metric_history(trial.info.run_id, "loss/generator")]
        assert steps == sorted(set(steps)) and steps[0] == 1
    assert len(rates) == 3


@pytest.mark.ray
def test_a_second_start_is_refused_and_a_resume_says_it_is_finished(finished):
    folder, _ = finished
    again = run(folder)
    assert again.returncode == 2 and "--resume" in again.stderr
    resumed = run(folder, "--resume")
    assert resumed.returncode == 0 and "finished; nothing to do" in resumed.stdout
    changed = run(folder, "--resume", "--set", "train.epochs=4")
    assert changed.returncode == 2 and "+  epochs: 4" in changed.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_study_goes_on_and_ends_with_exactly_its_trials(tmp_path):
    space(tmp_path, TINY.replace("trials: 3", "trials: 4").replace("epochs: 3", "epochs: 6"))
    log = open(tmp_path / "log", "w")  # noqa: SIM115
    rng = np.random.default_rng(0)
    for attempt in range(12):
        more = ["--resume"] if (tmp_path / "results" / "tiny" / "state.json").exists() else []
        process = subprocess.Popen(command(tmp_path, *more), cwd=ROOT, stdout=log, stderr=log)
        try:
            process.wait(timeout=20 + 25 * rng.random() + 10 * attempt)
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(3)
    assert process.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    trials = history(tmp_path).trials
    assert len(trials) == 4 and all(t.state.is_finished() for t in trials)
    client, runs = children(tmp_path)
    assert set(runs) == {"study", "0000", "0001", "0002", "0003"}
    for name, trial in runs.items():
        assert trial.info.status == "FINISHED"
        if name != "study":
            steps = [m.step for m in client.get_metric_history(trial.info.run_id, "loss/generator")]
            assert steps == list(range(1, max(steps) + 1))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_the_state_and_says_how_to_go_on(tmp_path, signum):
    space(tmp_path, TINY.replace("epochs: 3", "epochs: 200"))
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 180
    while time.time() < deadline and not list(tmp_path.glob("results/tiny/trials/0000/evaluations/*/evaluation.json")):
        time.sleep(1)
    process.send_signal(signum)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "--resume" in errors and "Traceback" not in errors
    ended = run(tmp_path, "--resume", "--finish")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "stopped early" in ended.stdout and "Best checkpoint:" in ended.stdout
    assert all(t.state.is_finished() for t in history(tmp_path).trials)


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_train_one_trial(tmp_path):
    space(tmp_path, TINY + "resources: {workers: 2}\n")
    done = run(tmp_path, "--set", "search.trials=1", "--set", "axes.train.lr=null")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_early_stopping_on_two_cpus_never_hangs(tmp_path):
    space(tmp_path)
    for k in range(5):
        assert run(tmp_path, "--set", f"study=round{k}", "--set", f"search.seed={k}").returncode == 0


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_that_diverges_ends_with_the_worst_values(tmp_path):
    # A learning rate of this size makes weights infinite at once: the trials end as diverged, with the worst value.
    space(tmp_path)
    done = run(tmp_path, "--set", "axes.train.lr={float: [1.0e+4, 1.0e+5]}", "--set", "train.lr=1e4")
    assert done.returncode == 0
    values = [t.values[0] for t in history(tmp_path).trials if t.values]
    assert values and all(v == pytest.approx(1.0, abs=0.1) for v in values)
