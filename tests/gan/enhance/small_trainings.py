"""Trainings of an enhancer that take a moment."""

from __future__ import annotations

import torch

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
from gan.enhance.training.trainer import EnhanceTrainer
from gan.training.checkpoint import checksum

MODEL = UNetConfig(image_size=16, depth=2, width=4, scale=2)


CRITIC = CriticConfig(width=4)


def train_config(generator=1, critic=1, adversarial=1, **more) -> EnhanceTrainConfig:
    loss = {"loss": LossConfig(**more.pop("loss", {}))}
    rates = more.pop("rates", (2e-3, 2e-3, 1e-3))
    return EnhanceTrainConfig(
        batch_size=more.pop("batch_size", 4),
        precision="float32",
        generator=GeneratorPhase(epochs=generator, lr=rates[0]),
        critic=CriticPhase(epochs=critic, lr=rates[1]),
        adversarial=AdversarialPhase(
            epochs=adversarial, lr=rates[2], switcher=more.pop("switcher", SwitcherConfig(max_steps=2))
        ),
        **loss,
        **more,
    )


def trainer(pairs, train: EnhanceTrainConfig, *, model=MODEL, critic=CRITIC, **more) -> EnhanceTrainer:
    return EnhanceTrainer(model, critic, train, *pairs, device="cpu", threads=1, **more)


def weights(network: torch.nn.Module) -> str:
    return checksum(dict(network.named_parameters()))
