"""Checkpoints: complete or absent, verified, never unpickled into code."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch

from gan.config import ModelConfig, TrainConfig
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
