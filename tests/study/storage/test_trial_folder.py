"""A trial's folder after a process died in it."""

import json

import numpy as np
import pytest

from gan.config import ModelConfig, TrainConfig
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.storage.trial_folder import checkpoints, damage, mend, reported


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


def test_mending_takes_the_newest_whole_checkpoint_and_keeps_the_best_two(trainer, tmp_path):
    for epoch, objective in ((10, 0.4), (20, 0.9), (30, 0.3), (40, 0.5), (50, 0.8), (60, 0.1), (70, 0.2)):
        save(trainer, tmp_path, epoch, objective)
    content = bytearray((tmp_path / "epoch-00070" / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "epoch-00070" / "checkpoint.pt").write_bytes(content)
    (tmp_path / "epoch-00060" / "metrics.json").write_text('{"cut')
    (tmp_path / "checkpoint_manager_snapshot.json").write_text('{"cut')
    notes = mend(tmp_path)
    assert len(notes) == 2 and "epoch-00070" in notes[0] and "epoch-00060" in notes[1]
    assert [c.name for c in checkpoints(tmp_path)] == ["epoch-00050", "epoch-00030", "epoch-00010"]
    assert all(damage(c) is None for c in checkpoints(tmp_path))
    assert not (tmp_path / "checkpoint_manager_snapshot.json").exists()
    assert mend(tmp_path) == [] and mend(tmp_path / "absent") == []
    losses, evaluations = reported(tmp_path)
    assert [row["epoch"] for row in losses] == list(range(1, 51))
    assert [e["epoch"] for e in evaluations] == [10, 20, 30, 40, 50]
