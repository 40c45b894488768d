"""Two real processes (gloo) follow one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan.config import DropoutConfig, ModelConfig, TrainConfig, as_dict
from gan.training import checkpoint
from gan.training.trainer import Trainer
from tests.gan.places import ROOT

WORKER = """
import dataclasses, json, sys
import numpy as np, torch.distributed as dist
from gan.training import checkpoint
from gan.config import model_from_dict, train_from_dict
from gan.training.trainer import Trainer, World

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", rank=rank, world_size=2)
images = np.load(f"{folder}/images.npy")
told = []
for i, spec in enumerate(json.load(open(f"{folder}/specs.json"))):
    trainer = Trainer(model_from_dict(spec["model"]), train_from_dict(spec["train"]), images,
                      device="cpu", world=World(rank, 2), threads=1)
    results = [dataclasses.asdict(trainer.train_epoch()) for _ in range(2)]
    checkpoint.save(trainer, f"{folder}/{i}-rank{rank}.pt")
    networks = [net.state_dict() for net in (trainer.generator, trainer.discriminator, trainer.average)]
    told.append({"results": results, "checksum": checkpoint.checksum(networks)})
json.dump(told, open(f"{folder}/rank{rank}.json", "w"))
dist.destroy_process_group()
"""


def run_two(folder: Path, configs: list[tuple[ModelConfig, TrainConfig]], images: np.ndarray) -> list[list[dict]]:
    specs = [{"model": as_dict(model), "train": as_dict(train)} for model, train in configs]
    (folder / "specs.json").write_text(json.dumps(specs))
    np.save(folder / "images.npy", images)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen([*command, str(rank), str(folder)], cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=400)
        assert worker.returncode == 0, errors.decode()
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


def test_two_workers_follow_one(tmp_path):
    """Equal to rounding without batch norm; with it, half batches' statistics change the losses by a few percent."""
    images = np.random.default_rng(0).integers(0, 256, (68, 16, 16, 3), np.uint8)
    train = TrainConfig(
        batch_size=32,
        precision="float32",
        ema_decay=0.9,
        label_smoothing=0.2,
        dropout=DropoutConfig(placement="discriminator", p=0.3),
    )
    plain = ModelConfig(image_size=16, width=4, latent_dim=8, batch_norm=False)
    normed = ModelConfig(image_size=16, width=4, latent_dim=8)
    both = run_two(tmp_path, [(plain, train), (normed, train)], images)
    assert [told["checksum"] for told in both[0]] == [told["checksum"] for told in both[1]]
    assert not list(tmp_path.glob("*-rank1.pt"))
    for i, (model, tolerance) in enumerate([(plain, 1e-5), (normed, 0.05)]):
        alone = Trainer(model, train, images, device="cpu", threads=1)
        for one, two in zip([alone.train_epoch() for _ in range(2)], both[0][i]["results"], strict=True):
            assert two["steps"] == one.steps == 2
            assert two["loss_generator"] == pytest.approx(one.loss_generator, rel=tolerance)
            assert two["loss_discriminator"] == pytest.approx(one.loss_discriminator, rel=tolerance)
        if not model.batch_norm:
            together = checkpoint.read(tmp_path / f"{i}-rank0.pt")["generator"]
            for key, value in alone.generator.state_dict().items():
                np.testing.assert_allclose(together[key].numpy(), value.numpy(), atol=2e-4, err_msg=key)
