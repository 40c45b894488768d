"""Two real processes (gloo) train an enhancer as one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan.config import as_dict
from gan.enhance.config import (
    AdversarialPhase,
    CriticConfig,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    LossConfig,
    SwitcherConfig,
    UNetConfig,
)
from gan.enhance.training import checkpoint
from gan.enhance.training.trainer import EnhanceTrainer
from tests.gan.places import ROOT

WORKER = """
import dataclasses, json, sys
import numpy as np, torch.distributed as dist
from gan.enhance.training import checkpoint
from gan.enhance.config import critic_from_dict, model_from_dict, train_from_dict
from gan.enhance.training.trainer import EnhanceTrainer, World

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", rank=rank, world_size=2)
spec = json.load(open(f"{folder}/spec.json"))
pairs = np.load(f"{folder}/pairs.npz")
trainer = EnhanceTrainer(model_from_dict(spec["model"]), critic_from_dict(spec["critic"]),
                         train_from_dict(spec["train"]), pairs["inputs"], pairs["targets"],
                         device="cpu", world=World(rank, 2), threads=1)
results = []
while trainer.phase != "done":
    results.append(dataclasses.asdict(trainer.train_epoch()))
checkpoint.save(trainer, f"{folder}/rank{rank}.pt")
networks = [net.state_dict() for net in (trainer.generator, trainer.critic)]
from gan.training.checkpoint import checksum
json.dump({"results": results, "checksum": checksum(networks)}, open(f"{folder}/rank{rank}.json", "w"))
dist.destroy_process_group()
"""


def run_two(folder: Path) -> list[dict]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(folder)], cwd=ROOT, env=environment, stderr=subprocess.PIPE
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=400)
        assert worker.returncode == 0, errors.decode()
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_two_workers_follow_one(tmp_path):
    """All three phases, with everything that draws random numbers; equal to rounding without batch norm."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 256, (16, 16, 16, 3), np.uint8)
    inputs = targets // 2
    model = UNetConfig(image_size=16, depth=2, width=4, norm="none", dropout=0.2)
    critic = CriticConfig(width=4, loss="wasserstein", conditional=True, dropout=0.2)
    train = EnhanceTrainConfig(
        batch_size=4,
        precision="float32",
        generator=GeneratorPhase(epochs=1),
        critic=CriticPhase(epochs=1),
        adversarial=AdversarialPhase(
            epochs=2, switcher=SwitcherConfig(critic_below=0.0, generator_below=0.0, max_steps=2)
        ),
        loss=LossConfig(stability_weight=0.5, adversarial_weight=0.1),
    )
    np.savez(tmp_path / "pairs.npz", inputs=inputs, targets=targets)
    (tmp_path / "spec.json").write_text(
        json.dumps({"model": as_dict(model), "critic": as_dict(critic), "train": as_dict(train)})
    )
    both = run_two(tmp_path)
    assert both[0]["checksum"] == both[1]["checksum"]
    assert not (tmp_path / "rank1.pt").exists()
    alone = EnhanceTrainer(model, critic, train, inputs, targets, device="cpu", threads=1)
    for two in both[0]["results"]:
        one = alone.train_epoch()
        assert (two["phase"], two["steps"]) == (one.phase, one.steps)
        for name in ("loss_generator", "loss_discriminator"):
            wanted = getattr(one, name)
            assert two[name] == (wanted if wanted is None else pytest.approx(wanted, rel=2e-3))
        for name, value in one.extra.items():
            assert two["extra"][name] == pytest.approx(value, rel=2e-3, abs=2e-3), name
    resumed = checkpoint.resume(tmp_path / "rank0.pt", inputs, targets, device="cpu", threads=1)
    assert (resumed.phase, resumed.epoch) == ("done", 4)
