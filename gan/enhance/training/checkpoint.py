"""Checkpoints of enhancers, in the same verified container as all others (`gan.training.checkpoint`)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

from gan.enhance.config import UNetConfig, critic_from_dict, model_from_dict, train_from_dict
from gan.enhance.models.unet import UNet, unet
from gan.enhance.training.trainer import EnhanceTrainer, World
from gan.training.checkpoint import CheckpointError, compare, expected_content, fill, load, read, save

__all__ = ["CheckpointError", "load", "load_enhancer", "read", "resume", "save"]


def resume(
    path: str | os.PathLike[str],
    inputs: np.ndarray,
    targets: np.ndarray,
    *,
    device: torch.device | str | None = None,
    world: World | None = None,
    threads: int | None = None,
) -> EnhanceTrainer:
    """Return a trainer as it was when `path` was saved, with the configs that are in the file.

    Parameters
    ----------
    path : path-like
        A checkpoint of an `EnhanceTrainer`.
    inputs, targets : ndarray
        The pairs that it was trained on.
    device, world, threads
        As `EnhanceTrainer`.

    Returns
    -------
    EnhanceTrainer

    Raises
    ------
    CheckpointError
        As `gan.training.checkpoint.read`; or the file is not of an enhancer, or of another number of pairs.
    """
    state = _enhancer_state(path)
    with expected_content(path):
        model, critic = model_from_dict(state["model"]), critic_from_dict(state["critic_model"])
        train = train_from_dict(state["train"])
    trainer = EnhanceTrainer(model, critic, train, inputs, targets, device=device, world=world, threads=threads)
    with expected_content(path):
        trainer.load_state_dict(state)
    return trainer


def load_enhancer(path: str | os.PathLike[str]) -> tuple[UNet, UNetConfig]:
    """Return an enhancer in evaluation mode on the CPU, the moving average where there is one, and its config.

    Parameters
    ----------
    path : path-like
        A checkpoint of an `EnhanceTrainer`.

    Returns
    -------
    network : UNet
    config : UNetConfig

    Raises
    ------
    CheckpointError
        As `gan.training.checkpoint.read`; or the file is not of an enhancer.
    """
    state = _enhancer_state(path)
    with expected_content(path):
        config, weights = model_from_dict(state["model"]), state["average"] or state["generator"]
        with torch.device("meta"):
            compare(unet(config).state_dict(), weights, path)
    network = unet(config)
    fill(network, weights, path)
    return network.eval(), config


def _enhancer_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    state = read(path)
    if state.get("kind") != "enhancer":
        with expected_content(path):
            family = str(state["model"]["family"])[:60]
        raise CheckpointError(f"{path}: a checkpoint of a {family} galaxy GAN, an enhancer is needed")
    return state
