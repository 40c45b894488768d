"""A trial's folder as its worker leaves it."""

from __future__ import annotations

import json

import numpy as np

from gan.config import ModelConfig, TrainConfig
from gan.training import checkpoint
from gan.training.trainer import Trainer


def tiny_trainer() -> Trainer:
    """A training that takes a moment."""
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
