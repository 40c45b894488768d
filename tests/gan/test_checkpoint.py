"""Checkpoints: complete or absent, verified, and the authors' bare weights."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from gan.config import ModelConfig, TrainConfig
from gan.models import build
from gan.sample import sample
from gan.training import checkpoint
from gan.training.checkpoint import CheckpointError
from gan.training.trainer import Trainer

SMALL = ModelConfig(image_size=16, width=4, latent_dim=8)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), np.uint8)


def make(images, model=SMALL, **train) -> Trainer:
    return Trainer(model, TrainConfig(batch_size=16, **train), images, device="cpu", threads=1)


@pytest.fixture
def saved(images, tmp_path):
    trainer = make(images)
    trainer.train_epoch()
    checkpoint.save(trainer, tmp_path / "c.pt")
    return trainer, tmp_path / "c.pt"


def test_nothing_but_the_file_is_left(saved):
    assert os.listdir(saved[1].parent) == ["c.pt"]


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    trainer, path = saved
    before = path.read_bytes()

    def full_disk(content, file):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpoint.save(trainer, path)
    assert path.read_bytes() == before and os.listdir(path.parent) == ["c.pt"]


def test_load_goes_into_a_trainer_of_the_same_model_only(saved, images):
    trainer, path = saved
    other = make(images, seed=5)
    checkpoint.load(other, path)
    assert other.epoch == 1
    assert other.train_epoch().loss_generator == trainer.train_epoch().loss_generator
    with pytest.raises(CheckpointError, match="model = "):
        checkpoint.load(make(images, ModelConfig(image_size=16, width=2)), path)
    with pytest.raises(CheckpointError, match=r"ema_decay = 0\.9"):
        checkpoint.load(make(images, ema_decay=0.9), path)
    with pytest.raises(CheckpointError, match="32 training images"):
        checkpoint.load(make(images[:20]), path)


def test_every_damaged_byte_is_found(saved):
    path = saved[1]
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    harmless = 0
    for position in rng.integers(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            state = checkpoint.read(path)
        except CheckpointError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        else:  # padding between the records of the file
            assert checkpoint.checksum(state) == checkpoint.checksum(saved[0].state_dict())
            harmless += 1
    assert harmless < 20


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_one_sentence(saved, share):
    path = saved[1]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="damaged, truncated"):
        checkpoint.read(path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "x.pt"
    with pytest.raises(CheckpointError, match="no such file"):
        checkpoint.read(path)
    with pytest.raises(CheckpointError, match="a folder"):
        checkpoint.read(tmp_path)
    path.write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match="not a PyTorch file"):
        checkpoint.read(path)
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(CheckpointError, match="not a PyTorch file"):
        checkpoint.load_generator(path)
    torch.save({"evil": Evil()}, path)
    with pytest.raises(CheckpointError, match="refused"):
        checkpoint.load_generator(path)
    torch.save(torch.zeros(3), path)
    with pytest.raises(CheckpointError, match="holds a Tensor"):
        checkpoint.load_generator(path)
    torch.save({"weights": [1, 2], "best": 3}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        checkpoint.load_generator(path)
    torch.save({"format": checkpoint.FORMAT}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        checkpoint.load_generator(path)


def test_the_generator_comes_back_as_it_sampled(images, tmp_path):
    for ema in (None, 0.9):
        trainer = make(images, ema_decay=ema)
        trainer.train_epoch()
        checkpoint.save(trainer, tmp_path / "c.pt")
        generator, config = checkpoint.load_generator(tmp_path / "c.pt")
        assert config == SMALL and not generator.training
        expected = sample(trainer.generator_for_sampling(), 5, seed=0)
        assert np.array_equal(sample(generator, 5, seed=0), expected)


def released(path, *, counters: bool, **changes):
    """A bare state dict of the layout of the authors' `dcgan_G.pth`."""
    network, _ = build(ModelConfig(width=2))
    weights = {k: v for k, v in network.state_dict().items() if counters or "num_batches" not in k}
    weights |= changes
    torch.save({key: value for key, value in weights.items() if value is not None}, path)
    return network


@pytest.mark.parametrize("counters", [True, False])
def test_the_authors_weights_load(tmp_path, counters):
    network = released(tmp_path / "dcgan_G.pth", counters=counters)
    generator, config = checkpoint.load_generator(tmp_path / "dcgan_G.pth")
    assert config == ModelConfig(width=2)
    assert np.array_equal(sample(generator, 3, seed=1), sample(network, 3, seed=1))


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(image_size=32, width=3, channels=1, latent_dim=9, kernel_size=6),
        ModelConfig(image_size=16, width=3, batch_norm=False),
    ],
)
def test_any_generator_is_recognised_by_its_weights(tmp_path, config):
    torch.save(build(config)[0].state_dict(), tmp_path / "g.pth")
    assert checkpoint.load_generator(tmp_path / "g.pth")[1] == config


def test_weights_that_do_not_fit_are_listed(tmp_path):
    path = tmp_path / "dcgan_G.pth"
    released(
        path, counters=False, **{"main.7.bias": None, "main.9.weight": torch.zeros(3), "main.11.bias": torch.ones(9)}
    )
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load_generator(path)
    for problem in (
        "main.7.bias is missing",
        "main.9.weight is unknown",
        "main.11.bias has shape (9,) instead of (2,)",
    ):
        assert problem in str(caught.value)
    released(path, counters=False, **{"main.6.weight": None})
    with pytest.raises(CheckpointError, match=r"unknown layout: expected .* main\.6"):
        checkpoint.load_generator(path)
