"""Studies of enhancers: the same way through as for galaxies, with pairs, metrics and pictures of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from study.config import load_study
from study.results.summary import notes, ranked_table
from study.results.trials import TrialRow
from study.tasks.enhancement.objective import PairObjective
from study.tasks.enhancement.task import PairResults, enhancement_task
from study.tasks.registry import task_of, trial_of
from tests.study.small_pairs import job, space

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_the_table_is_about_enhancement(study, tmp_path):
    def row(name: str, psnr: float, role: str = "search") -> TrialRow:
        metrics = {"psnr": psnr, "psnr/input": 28.0, "spectrum": 0.2, "spectrum/input": 0.3, "gain": 0.1}
        evaluation = {"epoch": 4, "objective": -psnr, "objectives": {"psnr": -psnr}, "metrics": metrics}
        point = {"train.loss.adversarial_weight": psnr / 1000}
        return TrialRow(name, role, point, 0, "complete", 4, ({**evaluation, "rankable": True},), None, tmp_path)

    rows = [row("0001", 31.5), row("0000", 29.0, "baseline")]
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(ranked_table(study, PairObjective(), rows))
    text = console.export_text()
    assert "ranked by psnr (largest is best)" in text and "31.500 @4" in text and "28.00" in text and "4/4" in text
    assert "floor" not in text and "no fit" not in text
    assert notes(study, PairObjective(), rows) == ["baseline: 29.000, rank 2; best: 31.500"]
    assert "study.enhance" in task_of(study).results.use(tmp_path)


def test_finalists_are_judged_on_pairs_that_chose_nothing(study, tmp_path):
    from gan.datasets.pair_set import PairSet
    from gan.enhance.training.checkpoint import load_enhancer
    from gan.training import checkpoint
    from study.tasks.enhancement.evaluation import evaluate_pairs

    split = task_of(study).images.open(tmp_path)
    np.savez(tmp_path / "split.npz", **split.parts)
    given = job(study, tmp_path, split.path)
    trainer = trial_of(given).trainer(device="cpu", world=None, threads=1)
    trainer.train_epoch()
    checkpoint.save(trainer, tmp_path / "c.pt")
    row = TrialRow("0000", "baseline", {}, 3, "complete", 1, (), None, tmp_path)
    found, count = enhancement_task(study).results.final_judge(None, given.files, 1)(row, tmp_path / "c.pt")
    pairs, (network, _) = PairSet.open(split.path), load_enhancer(tmp_path / "c.pt")
    wanted = evaluate_pairs(network, pairs.inputs[split.final], pairs.targets[split.final], engine="fast", jobs=1)
    assert count == 8 and found.metrics == pytest.approx(wanted.metrics)


def test_the_next_command_is_one_that_enhance_takes(study):
    import shlex

    from study.enhance import parser

    command = shlex.split(PairResults(study).use(Path("best.pt")).partition(":")[2])
    assert command[:3] == ["python", "-m", "study.enhance"]
    taken = parser().parse_args(command[3:])
    assert str(taken.model) == "best.pt"


def command(folder: Path, *more: str) -> list[str]:
    arguments = ["--space", str(folder / "tiny.yaml"), "--results", str(folder / "results"), *more]
    return [sys.executable, "-m", "study.run", *arguments]


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *more), cwd=ROOT, capture_output=True, text=True, timeout=560)


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_of_enhancers_from_its_file_to_an_enhanced_image(tmp_path):
    import mlflow

    space(tmp_path)
    planned = run(tmp_path, "--dry-run")
    assert planned.returncode == 0 and "psnr (largest) of 8 pairs" in planned.stdout, planned.stderr
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ranked by psnr" in done.stdout and "of input" in done.stdout
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'results' / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "tiny"]
    trials = [r for r in client.search_runs([experiment.experiment_id]) if r.data.tags.get("kind") == "trial"]
    assert len(trials) == 2
    for trial in trials:
        assert trial.data.params["train.adversarial.switcher.kind"] == "fixed"
        steps = {m.step for m in client.get_metric_history(trial.info.run_id, "ssim")}
        assert steps == {2, 4}
        folders = [f.path for f in client.list_artifacts(trial.info.run_id, "pictures")]
        assert sorted(folders) == ["pictures/epoch-00002", "pictures/epoch-00004"]
        for folder in folders:
            names = {Path(f.path).name for f in client.list_artifacts(trial.info.run_id, folder)}
            assert names == {"triptychs.png", "differences.png"}
        assert "loss/pixel" in trial.data.metrics and trial.data.metrics["objective"] == -trial.data.metrics["psnr"]
    again = run(tmp_path, "--resume")
    assert again.returncode == 0 and "nothing to do" in again.stdout
    picture = tmp_path / "faint.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 90, (40, 50, 3), np.uint8)).save(picture)
    best = tmp_path / "results" / "tiny"
    arguments = [str(picture), "--model", str(best), "--out", str(tmp_path / "out")]
    enhanced = subprocess.run(
        [sys.executable, "-m", "study.enhance", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    assert enhanced.returncode == 0, enhanced.stderr
    assert Image.open(tmp_path / "out" / "faint.png").size == (50, 40)
