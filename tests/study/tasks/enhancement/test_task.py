"""Studies of enhancers: the same way through as for galaxies, with pairs, metrics and pictures of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from gan.config import as_dict
from gan.datasets.pair_set import PairSet
from gan.degrade import synthetic_pairs
from study.config import Study, load_study
from study.config.errors import ConfigError, InputError
from study.config.pair_sections import model_from_dict
from study.results.summary import notes, ranked_table
from study.results.trials import TrialRow
from study.storage.trial_files import TrialFiles
from study.tasks.enhancement.evaluation import triptychs
from study.tasks.enhancement.objective import PairObjective
from study.tasks.job import TrialJob, TrialSettings, TrialSpec
from study.tasks.registry import task_of, trial_of
from study.trials.worker import _facts

ROOT = Path(__file__).resolve().parents[4]
TINY = """\
study: tiny
data: {set: synthetic, image_size: 16, synthetic_count: 64, held_out: 16}
model: {family: unet, depth: 2, width: 4, critic: {width: 4}}
train:
  batch_size: 8
  generator: {epochs: 1}
  critic: {epochs: 1}
  adversarial: {epochs: 2, switcher: {kind: fixed}}
objective: {metric: psnr, samples: 8, every_epochs: 2, finalists: 1}
search: {sampler: random, trials: 2, scheduler: {name: asha, grace_epochs: 2, reduction_factor: 2, judge_over: 1}}
axes: {train.loss.adversarial_weight: {float: [1.0e-3, 1.0e-1], log: true}}
"""


def space(folder: Path, text: str = TINY) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def job(study: Study, folder: Path, data: Path, **settings: Any) -> TrialJob:
    """The baseline of a study in `folder`, as its worker gets it."""
    model, train = study.configure({}, seed=3)
    spec = TrialSpec(
        number=0, name="0000", role="baseline", point={}, model=as_dict(model), train=as_dict(train),
        epochs=train.epochs, judged_from=0,
    )  # fmt: skip
    objective = study.objective
    shared = {"samples": objective.samples, "every_epochs": 2, "engine": "fast", "metrics": objective.metrics}
    files = TrialFiles.of_study(folder, data, stage1=None)
    return TrialJob(trial=spec, settings=TrialSettings(files=files, threads=1, **{**shared, **settings}))


@pytest.fixture
def study(tmp_path):
    return load_study(space(tmp_path))


def test_the_file_decides_by_its_family_what_its_sections_mean(study, tmp_path):
    assert study.train.epochs == 4 and study.model.critic.width == 4
    assert study.value("train.adversarial.switcher.kind") == "fixed"
    again = tmp_path / "again.yaml"
    again.write_text(study.as_yaml())
    assert load_study(again).digest() == study.digest()
    model, train = study.configure({"model.critic.loss": "hinge", "train.generator.epochs": 7})
    assert model.critic.loss == "hinge" and train.epochs == 10
    assert model_from_dict(json.loads(json.dumps(as_dict(model)))) == model


@pytest.mark.parametrize(
    ("override", "key", "says"),
    [
        ("objective.metric=ks_mean", "objective.metric", "psnr"),
        ("objective.stage1=x.pt", "objective.stage1", "unknown key"),
        ("model.latent_dim=100", "model.latent_dim", "unknown key"),
        ("model.critic.loss=nothing", "model.critic.loss", "hinge"),
        ("data.image_size=18", "model.image_size", "multiple of 4"),
        ("train.epochs=5", "train.epochs", "unknown key"),
        ("train.adversarial.switcher.kind=often", "train.adversarial.switcher.kind", "adaptive"),
        ("axes.model.scale={choice: [1, 2]}", "model.scale", "did you mean"),
        ("axes.train.loss.adversarial={choice: [1, 2]}", "train.loss.adversarial", "did you mean"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(tmp_path, override, key, says):
    with pytest.raises(ConfigError) as caught:
        load_study(space(tmp_path), [override])
    assert key in caught.value.key and says in str(caught.value)


def test_classes_are_a_matter_of_pairs(tmp_path):
    text = "study: galaxies\nsearch: {trials: 1}\ndata: {train_label: disc}\n"
    with pytest.raises(ConfigError, match="train_label"):
        load_study(space(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("psnr", 30.0, -30.0), ("gain", -0.2, 0.2), ("bias/flux", -0.3, 0.3), ("spectrum", 0.2, 0.2)],
)
def test_the_search_minimises_whatever_the_sense_of_the_metric(name, value, wanted):
    objective = PairObjective()
    assert objective.costs({name: value}, (name,)) == {name: wanted}
    assert objective.shown(name, wanted) == (abs(value) if name == "bias/flux" else value)
    worst = objective.costs({name: value}, (name,), diverged=True)[name]
    assert np.isfinite(worst) and worst > wanted


def test_pairs_are_divided_once_and_for_all(study, tmp_path):
    pairs = task_of(study).images.open(tmp_path)
    rows = [set(part.tolist()) for part in (pairs.train, pairs.reference, pairs.final)]
    assert [len(part) for part in rows] == [48, 8, 8]
    assert len(set.union(*rows)) == 64
    again = task_of(study).images.open(tmp_path)
    assert all((a == b).all() for a, b in zip(pairs.parts.values(), again.parts.values(), strict=True))


def test_one_class_trains_and_another_judges(tmp_path):
    overrides = [
        "data.train_label=disc",
        "data.judge_label=elliptical",
        "data.held_out=120",
        "data.synthetic_count=200",
    ]
    shifted = load_study(space(tmp_path), overrides)
    pairs = task_of(shifted).images.open(tmp_path)
    labels = PairSet.open(pairs.path).labels
    assert set(labels[pairs.train]) == {"disc"}
    assert set(labels[pairs.reference]) == set(labels[pairs.final]) == {"elliptical"}
    assert "trained on disc, judged on elliptical" in pairs.describe()


def test_what_the_set_cannot_give_is_said(tmp_path):
    folder = tmp_path / "pairs"
    synthetic_pairs(folder, 40, size=16, scale=1, seed=0)
    named = [f"data.set={folder}", "data.held_out=16"]

    def refusal(*overrides: str) -> str:
        asked = load_study(space(tmp_path), [*named, *overrides])
        with pytest.raises(InputError) as caught:
            task_of(asked).images.open(tmp_path)
        return str(caught.value)

    assert "spiral" in refusal("data.train_label=spiral")
    assert "model.scale = 2 (the set: 1)" in refusal("model.scale=2")
    assert "data.image_size = 32 (the set: 16)" in refusal("data.image_size=32")
    assert "too few pairs" in refusal("train.batch_size=30")
    assert "python -m gan.degrade" in refusal(f"data.set={tmp_path / 'nowhere'}")


def test_a_trial_is_not_judged_before_its_networks_have_met(study):
    assert study.train.first_judged_epoch(3) == 3 + 2
    _, alone = study.configure({"train.adversarial.epochs": 0})
    assert alone.first_judged_epoch(3) == 3


def test_a_worker_trains_evaluates_and_draws_the_same_galaxies_each_time(study, tmp_path):
    pairs = task_of(study).images.open(tmp_path)
    np.savez(tmp_path / "split.npz", **pairs.parts)
    trial = trial_of(job(study, tmp_path, pairs.path))
    trainer = trial.trainer(device="cpu", world=None, threads=1)
    evaluator = trial.evaluator()
    seen = []
    while trainer.epoch < trainer.total_epochs:
        result = trainer.train_epoch()
        facts = _facts(result)
        assert all(isinstance(value, float) for value in facts.values()) and "images_per_second" in facts
        assert ("loss/generator" in facts) == (result.phase != "critic")
        if result.epoch in (2, 4):
            reported = evaluator.run(trainer, result, final=result.epoch == 4, clock={})
            assert reported.objective == -reported.metrics["psnr"]
            seen.append(reported.folder)
    assert trainer.epoch == 4
    first, last = (np.asarray(Image.open(folder / "triptychs.png")) for folder in seen)
    third = first.shape[1] // 3
    assert (first[:, :third] == last[:, :third]).all() and (first[:, -third:] == last[:, -third:]).all()
    assert (first != last).any()
    found = json.loads((seen[1] / "evaluation.json").read_text())
    assert {"psnr", "psnr/input", "ssim", "flux_bias", "completeness", "contamination"} <= set(found["metrics"])
    assert all(np.isfinite(list(found["metrics"].values())))
    assert {p.name for p in seen[1].iterdir()} == {
        "evaluation.json", "galaxies.parquet", "detections.parquet", "triptychs.png", "differences.png"
    }  # fmt: skip


def test_a_diverged_trial_has_the_worst_finite_objective(study, tmp_path):
    from types import SimpleNamespace

    gone = SimpleNamespace(diverged="a loss is not finite", epoch=3)
    trial = trial_of(job(study, tmp_path, tmp_path, metrics=("psnr", "flux_scatter")))
    reported = trial.evaluator().run(None, gone, final=True, clock={})
    assert reported.objectives == {"psnr": 0.0, "flux_scatter": 1000.0} and not reported.rankable
    assert reported.diverged == gone.diverged


def test_differences_show_what_is_missing():
    targets = np.full((1, 16, 16, 3), 100, np.uint8)
    inputs, predictions = np.full((1, 8, 8, 3), 90, np.uint8), targets.copy()
    predictions[0, :8] += 10
    sheets = triptychs(inputs, predictions, targets)
    grey = sheets["differences"][..., 0]
    assert set(np.unique(grey)) == {87, 127, 167, 255}
    assert sheets["triptychs"].shape[1] > 3 * 128


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


def test_the_report_shows_the_best_beside_its_input_with_its_triptychs(study, tmp_path):
    from study.reporting.pair_page import page

    metrics = {"psnr": 31.5, "psnr/input": 28.25, "bias/flux": 0.1, "bias_input/flux": 0.375, "gain": 0.1}
    evaluation = {"epoch": 4, "objective": -31.5, "objectives": {"psnr": -31.5}, "metrics": metrics, "rankable": True}
    home = tmp_path / "trials" / "0000"
    shown = home / "evaluations" / "epoch-00004"
    shown.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(shown / "triptychs.png")
    row = TrialRow("0000", "baseline", {}, 0, "complete", 4, (evaluation,), None, home)
    text = page(study, tmp_path, [row])
    assert "<td>31.500</td>" in text and "<td>28.25</td>" in text and "<td>0.375</td>" in text
    assert text.count("data:image/png;base64,") == 1 and "http" not in text


def test_the_search_space_of_the_blog_shrinks_to_a_smoke_run(tmp_path):
    study = load_study(ROOT / "search_spaces" / "enhance.yaml", smoke=True)
    assert study.train.epochs <= 8 and study.model.image_size == 48 and study.data.set == "synthetic"
    alone = study.configure(study.presets["unet_alone"])[1]
    assert alone.adversarial.epochs == 0 and alone.epochs == study.train.epochs
    assert "study.enhance" not in study.as_yaml()


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
