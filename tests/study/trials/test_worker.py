"""The training loop of a worker, driven in this process; only Ray's barrier is replaced by a list."""

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray.train
import torch

from gan.training import checkpoint
from study.storage.trial_files import TrialFiles
from study.storage.trial_folder import reported
from study.tasks.registry import trial_of
from study.trials import worker
from study.trials.worker import LOGICAL_GPUS, _device, _facts, logical_gpus, train_worker
from tests.study.jobs import baseline_job


class Reports(list):
    """What a trial reports; checkpoints go to its folder, as Ray Train puts them there."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def __call__(self, metrics, *, checkpoint=None, checkpoint_dir_name=None):
        if checkpoint is not None:
            shutil.copytree(checkpoint.path, self.folder / checkpoint_dir_name)
        self.append(metrics)


@pytest.fixture
def job(young):
    files = TrialFiles.of_study(young.folder, young.galaxies.path, stage1=None)
    return baseline_job(young.study, files)


@pytest.fixture
def reports(young, monkeypatch):
    said = Reports(young.folder / "trials" / "0000")
    alone = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    monkeypatch.setattr(ray.train, "report", said)
    monkeypatch.setattr(ray.train, "get_context", lambda: alone)
    return said


def test_a_trial_from_its_beginning_to_its_end(job, reports, young):
    train_worker({"job": replace(job, notes=("the disk was mended",))})
    assert [r["epoch"] for r in reports] == [1, 2] and [r["final"] for r in reports] == [False, True]
    first, last = reports
    assert first["notes"] == ["the disk was mended"] and "notes" not in last and "resumed" not in first
    assert [row["epoch"] for row in first["history"]] == [1] and [row["epoch"] for row in last["history"]] == [2]
    assert first["objective"] == first["ks_mean"] and first["loss/generator"] == first["history"][0]["loss/generator"]
    assert {"suggested", "actor", "worker", "ready", "first_epoch"} <= set(last["clock"])
    losses, evaluations = reported(reports.folder)
    assert [row["epoch"] for row in losses] == [1, 2] and [e["objective"] for e in evaluations] == [
        first["objective"],
        last["objective"],
    ]


def test_a_trial_goes_on_from_its_newest_checkpoint_as_if_it_had_never_stopped(job, reports):
    train_worker({"job": job})
    whole = checkpoint.read(reports.folder / "epoch-00002" / "checkpoint.pt")
    losses = [row["loss/generator"] for report in reports for row in report["history"]]
    for gone in ("epoch-00002", "evaluations/epoch-00002"):
        shutil.rmtree(reports.folder / gone)
    reports.clear()
    train_worker({"job": job})
    (report,) = reports
    assert report["resumed"] == 1 and report["final"]
    assert [row["loss/generator"] for row in report["history"]] == losses, "what went before is told again"
    again = checkpoint.read(reports.folder / "epoch-00002" / "checkpoint.pt")
    for key, weights in whole["generator"].items():
        assert torch.equal(weights, again["generator"][key])


def test_a_damaged_checkpoint_is_said_and_the_one_before_it_taken(job, reports):
    train_worker({"job": job})
    path = reports.folder / "epoch-00002" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-50])
    trainer = trial_of(job).trainer(device="cpu", world=None, threads=1)
    before, notes = worker._resume(trainer, reports.folder)
    assert trainer.epoch == 1 and before["epoch"] == 1
    (note,) = notes
    assert "epoch-00002" in note and note.endswith("the checkpoint before it is used")
    (reports.folder / "epoch-00001" / "metrics.json").write_text("{")
    fresh = trial_of(job).trainer(device="cpu", world=None, threads=1)
    before, notes = worker._resume(fresh, reports.folder)
    assert fresh.epoch == 0 and before == {} and notes[-1] == "no checkpoint is left: the trial begins anew"


def test_a_trial_that_had_ended_tells_its_end_again(job, reports):
    train_worker({"job": job})
    ended = reports[-1]
    reports.clear()
    train_worker({"job": job})
    (again,) = reports
    assert again["final"] and again["objective"] == ended["objective"] and again["ks_mean"] == ended["ks_mean"]
    assert [row["epoch"] for row in again["history"]] == [1, 2] and again["resumed"] == 2


def test_a_bug_is_told_and_a_full_disk_halts_the_study(job, reports, monkeypatch):
    def fails(error):
        def train(given):
            raise error

        monkeypatch.setattr(worker, "_train", train)
        train_worker({"job": job})
        return reports[-1]

    told = fails(RuntimeError("\nthe GPU is gone\nand more"))
    assert told["failed"] == "RuntimeError: the GPU is gone" and "and more" in told["traceback"]
    assert "No space left" in fails(OSError(errno.ENOSPC, "No space left on device"))["halt"]
    with pytest.raises(ConnectionError):
        fails(ConnectionError("the peer is gone"))


def test_of_several_workers_one_alone_can_only_raise(job, reports, monkeypatch):
    monkeypatch.setattr(ray.train, "get_context", lambda: SimpleNamespace(get_world_size=lambda: 2))
    monkeypatch.setattr(worker, "_train", lambda given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_worker({"job": job})
    assert reports == []


def test_losses_that_are_no_numbers_are_left_out():
    nothing = SimpleNamespace(loss_generator=float("nan"), loss_discriminator=None, images_per_second=12.0)
    assert _facts(nothing) == {"images_per_second": 12.0}
    more = SimpleNamespace(
        loss_generator=1.0, loss_discriminator=2.0, images_per_second=12.0, extra={"loss/pixel": 3.0}
    )
    assert _facts(more) == {
        "loss/generator": 1.0, "loss/discriminator": 2.0, "images_per_second": 12.0, "loss/pixel": 3.0
    }  # fmt: skip


def test_gpus_that_are_only_numbers_train_on_the_cpu(job, monkeypatch):
    monkeypatch.delenv(LOGICAL_GPUS, raising=False)
    assert not logical_gpus()
    monkeypatch.setenv(LOGICAL_GPUS, "1")
    assert logical_gpus()
    if torch.cuda.is_available():
        pytest.skip("this machine has GPUs")
    assert _device(job.settings) == "cpu"
    given = replace(job.settings, gpus_per_worker=0.5)
    with pytest.raises(RuntimeError, match=r"gave this worker 0\.5 GPU, but PyTorch sees none"):
        _device(given)
    assert _device(replace(given, logical_gpus=True)) == "cpu"
