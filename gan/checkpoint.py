"""Checkpoints: written whole or not at all, verified when read, never unpickled into code."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from gan.batches import Images
from gan.config import FieldError, ModelConfig, model_from_dict, train_from_dict
from gan.models import FAMILIES, Network, build
from gan.models.released import LayoutError, config_of
from gan.training import Trainer, World

FORMAT = "galaxy-gan checkpoint 1"


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used, or is damaged; the message names the file and says what is wrong."""


class Resumable(Protocol):
    """A training whose whole state is tensors and plain values."""

    world: World | None

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def save(trainer: Resumable, path: str | os.PathLike[str]) -> None:
    """Write `trainer.state_dict()` with its checksum; the file appears under its name when it is complete.

    With several workers only rank 0 writes; the others return at once.
    """
    if trainer.world is None or trainer.world.rank == 0:
        write(trainer.state_dict(), path)


def write(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a state, tensors and plain values only, with its checksum; it appears under its name when complete."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            torch.save({"format": FORMAT, "sha256": checksum(state), "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The state in a checkpoint, verified, on the CPU.

    Raises
    ------
    CheckpointError
        There is no such file, it is damaged or truncated, or it is something else.
    """
    content = _open(path)
    if content.get("format") != FORMAT or not {"sha256", "state"} <= set(content):
        raise CheckpointError(f"{path}: not a checkpoint of this program (its keys: {_some(content)})")
    if checksum(content["state"]) != content["sha256"]:
        raise CheckpointError(f"{path}: damaged, its content does not have the checksum it was written with")
    return content["state"]


def load(trainer: Resumable, path: str | os.PathLike[str]) -> None:
    """Continue `trainer` from a checkpoint of the same model, average and images.

    Raises
    ------
    CheckpointError
        As `read`, or the checkpoint is of another training.
    """
    try:
        trainer.load_state_dict(read(path))
    except FieldError as error:
        raise CheckpointError(f"{path}: {error}") from None


def resume(
    path: str | os.PathLike[str],
    images: Images,
    *,
    device: torch.device | str | None = None,
    world: World | None = None,
    threads: int | None = None,
) -> Trainer:
    """A trainer as it was when `path` was saved, with the configs that are in the file."""
    state = read(path)
    trainer = Trainer(
        model_from_dict(state["model"]),
        train_from_dict(state["train"]),
        images,
        device=device,
        world=world,
        threads=threads,
    )
    try:
        trainer.load_state_dict(state)
    except FieldError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return trainer


def load_generator(path: str | os.PathLike[str]) -> tuple[Network, ModelConfig]:
    """A generator of galaxies from noise, in evaluation mode on the CPU: the moving average where there is one.

    Parameters
    ----------
    path : path
        A checkpoint of this program, or a bare state dict in the layout of the authors' `dcgan_G.pth` (any size and
        width; `num_batches_tracked` may be missing).

    Raises
    ------
    CheckpointError
        As `read`; or the file holds an enlarger, or weights that fit no generator of ours (what does not is listed).
    """
    return _load_network(path, "noise")


def load_enlarger(path: str | os.PathLike[str]) -> tuple[Network, ModelConfig]:
    """As `load_generator`, for a generator that enlarges images (Stage-II; the authors' `stackgan_G.pth`)."""
    return _load_network(path, "image")


def checksum(state: Any) -> str:
    """SHA-256 of every key, value, shape and dtype in `state`, in order."""
    digest = hashlib.sha256()
    for part in _parts(state):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous()
        yield f"tensor {flat.dtype} {tuple(flat.shape)};".encode()
        yield flat.reshape(-1).view(torch.uint8).numpy().data  # type: ignore[misc]
    elif isinstance(value, dict):
        yield b"{"
        for key, item in value.items():
            yield f"{key!r}:".encode()
            yield from _parts(item)
        yield b"}"
    elif isinstance(value, (list, tuple)):
        yield b"["
        for item in value:
            yield from _parts(item)
        yield b"]"
    else:
        yield f"{value!r};".encode()


def _open(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: a folder, expected a checkpoint file") from None
    except PermissionError:
        raise CheckpointError(f"{path}: may not be read (permission denied)") from None
    except pickle.UnpicklingError:
        raise CheckpointError(f"{path}: not a PyTorch file, or one that holds more than weights (refused)") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: damaged, truncated, or not a PyTorch file ({_first_line(error)})") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a checkpoint or a state dict")
    return content


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _some(content: dict[Any, Any]) -> str:
    names = ", ".join(str(key) for key in list(content)[:4])
    return names + (", ..." if len(content) > 4 else "")


def _load_network(path: str | os.PathLike[str], wanted: str) -> tuple[Network, ModelConfig]:
    content = _open(path)
    if "format" in content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        state = read(path)
        if "kind" in state:
            raise CheckpointError(f"{path}: a checkpoint of kind {state['kind']!r}, a galaxy GAN is needed")
        config = model_from_dict(state["model"])
        weights = state["average"] or state["generator"]
    else:
        try:
            weights, config = content, config_of(content)
        except LayoutError as error:
            raise CheckpointError(f"{path}: {error}") from None
    found = FAMILIES[config.family].generator_input
    if found != wanted:
        what = {"noise": "draws galaxies from noise", "image": "enlarges images"}
        raise CheckpointError(
            f"{path}: a {config.family} generator, which {what[found]}; one that {what[wanted]} is needed"
        )
    generator, _ = build(config)
    fill(generator, weights, path)
    return generator.eval(), config


def fill(network: nn.Module, weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    """Load weights whose `num_batches_tracked` may be missing (they were saved by an old PyTorch).

    Raises
    ------
    CheckpointError
        Names, each of which is said, or shapes do not fit.
    """
    own = network.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    problems = [f"{key} is missing" for key in own if key not in weights and key not in counters]
    problems += [f"{key} is unknown" for key in weights if key not in own]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    if problems:
        raise CheckpointError(f"{path}: weights that do not fit: {'; '.join(problems)}")
    network.load_state_dict(own | weights)
