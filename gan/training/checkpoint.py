"""Checkpoints: written whole or not at all, verified when read, never unpickled into code."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import nn

from common.atomic import atomic_path
from common.errors import FieldError, first_line
from gan.config import ModelConfig, model_from_dict, train_from_dict
from gan.models import Network, build, check
from gan.models.released import LayoutError, config_of
from gan.training.batches import Images
from gan.training.trainer import Trainer, World

FORMAT = "galaxy-gan checkpoint 1"
MOST_PROBLEMS = 12


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used, or is damaged; the message names the file and says what is wrong."""


class Resumable(Protocol):
    """A training whose whole state is tensors and plain values."""

    world: World | None

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def save(trainer: Resumable, path: str | os.PathLike[str]) -> None:
    """Write the state of a trainer with its checksum; the file appears under its name when it is complete.

    With several workers only rank 0 writes; the others return at once.

    Parameters
    ----------
    trainer : Resumable
        Such as `gan.training.trainer.Trainer`.
    path : path-like
        The file; an old one is replaced.

    Raises
    ------
    OSError
        It cannot be written; an old one stays.
    """
    if trainer.world is None or trainer.world.rank == 0:
        write(trainer.state_dict(), path)


def write(state: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a state with its checksum; the file appears under its name when it is complete.

    Parameters
    ----------
    state : dict
        Tensors and plain values only.
    path : path-like
        The file.

    Raises
    ------
    OSError
        It cannot be written; an old one stays.
    """
    with atomic_path(path, sync=True) as partial, open(partial, "wb") as file:
        torch.save({"format": FORMAT, "sha256": checksum(state), "state": state}, file)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the state in a checkpoint, verified, on the CPU.

    Parameters
    ----------
    path : path-like
        A file that `write` made.

    Returns
    -------
    dict

    Raises
    ------
    CheckpointError
        There is no such file, it is damaged or cut short, or it is something else.
    """
    content = _open(path)
    if content.get("format") != FORMAT or not {"sha256", "state"} <= set(content):
        raise CheckpointError(f"{path}: not a checkpoint of this program (its keys: {_some(content)})")
    state = content["state"]
    if not isinstance(state, dict) or _checksum_or_none(state) != content["sha256"]:
        raise CheckpointError(f"{path}: damaged, its content does not have the checksum it was written with")
    return state


def load(trainer: Resumable, path: str | os.PathLike[str]) -> None:
    """Continue `trainer` from a checkpoint of the same model, average and images.

    Parameters
    ----------
    trainer : Resumable
        Its state is replaced.
    path : path-like
        The checkpoint.

    Raises
    ------
    CheckpointError
        As `read`, or the checkpoint is of another training.
    """
    state = read(path)
    with expected_content(path):
        trainer.load_state_dict(state)


def resume(
    path: str | os.PathLike[str],
    images: Images,
    *,
    device: torch.device | str | None = None,
    world: World | None = None,
    threads: int | None = None,
) -> Trainer:
    """Return a trainer as it was when `path` was saved, with the configs that are in the file.

    Parameters
    ----------
    path : path-like
        A checkpoint of a `Trainer`.
    images : ndarray or mapping of int to ndarray
        What it was trained on.
    device, world, threads
        As `Trainer`.

    Returns
    -------
    Trainer

    Raises
    ------
    CheckpointError
        As `read`, or the file is of another kind of training or number of images.
    """
    state = read(path)
    with expected_content(path):
        model, train = model_from_dict(state["model"]), train_from_dict(state["train"])
        check_fit(model, state["generator"], path)
    trainer = Trainer(model, train, images, device=device, world=world, threads=threads)
    with expected_content(path):
        trainer.load_state_dict(state)
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
    """Return the SHA-256, hexadecimal, of every key, value, shape and dtype in nested dicts and lists, in order."""
    digest = hashlib.sha256()
    for part in _parts(state):
        digest.update(part)
    return digest.hexdigest()


def _checksum_or_none(state: Any) -> str | None:
    try:
        return checksum(state)
    except Exception:  # noqa: BLE001 - tensors of kinds that no trainer has
        return None


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
    except Exception as error:  # noqa: BLE001 - whatever zip and pickle make of bytes from outside
        raise CheckpointError(
            f"{path}: damaged, truncated, or not a PyTorch file ({first_line(error, most=120)})"
        ) from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a checkpoint or a state dict")
    return content


@contextlib.contextmanager
def expected_content(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make one line of what is raised because a file, though whole, holds other settings or weights than expected.

    Raises
    ------
    CheckpointError
        In place of the error raised inside.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (FieldError, LayoutError) as error:
        raise CheckpointError(f"{path}: {first_line(error, most=1000)}") from None
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError, OverflowError) as error:
        what = f"{type(error).__name__}: {first_line(error, most=120)}"
        raise CheckpointError(f"{path}: not the content of a checkpoint of this version ({what})") from None


def _shown(value: Any) -> str:
    return " ".join(str(value).split())[:60]


def _some(content: dict[Any, Any]) -> str:
    names = ", ".join(_shown(key) for key in list(content)[:4])
    return names + (", ..." if len(content) > 4 else "")


def _load_network(path: str | os.PathLike[str], wanted: str) -> tuple[Network, ModelConfig]:
    content = _open(path)
    if "format" in content or not all(isinstance(value, torch.Tensor) for value in content.values()):
        state = read(path)
        if "kind" in state:
            raise CheckpointError(f"{path}: a checkpoint of kind {_shown(state['kind'])}, a galaxy GAN is needed")
        with expected_content(path):
            config, weights = model_from_dict(state["model"]), state["average"] or state["generator"]
    else:
        with expected_content(path):
            config, weights = config_of(content), content
    with expected_content(path):
        found = check(config).generator_input
    if found != wanted:
        what = {"noise": "draws galaxies from noise", "image": "enlarges images"}
        raise CheckpointError(
            f"{path}: a {config.family} generator, which {what[found]}; one that {what[wanted]} is needed"
        )
    check_fit(config, weights, path)
    generator, _ = build(config)
    fill(generator, weights, path)
    return generator.eval(), config


def check_fit(config: ModelConfig, weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    """As `fill`, before anything is built: a forged config could ask for more memory than there is."""
    with torch.device("meta"), expected_content(path):
        compare(build(config)[0].state_dict(), weights, path)


def fill(network: nn.Module, weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    """Load weights into a network; `num_batches_tracked` may be missing (they were saved by an old PyTorch).

    Parameters
    ----------
    network : Module
        Its weights are replaced.
    weights : dict of str to Tensor
        A state dict.
    path : path-like
        Where they are from, for messages.

    Raises
    ------
    CheckpointError
        Names, each of which is said, or shapes do not fit.
    """
    own = network.state_dict()
    with expected_content(path):
        compare(own, weights, path)
        network.load_state_dict(own | weights)


def compare(own: dict[str, torch.Tensor], weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    """Check that names and shapes of weights are those of a network.

    Parameters
    ----------
    own, weights : dict of str to Tensor
        State dicts of the network and of the file.
    path : path-like
        Where the weights are from, for messages.

    Raises
    ------
    CheckpointError
        They are not; the first dozen of differences are said.
    """
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    problems = [f"{key} is missing" for key in own if key not in weights and key not in counters]
    problems += [f"{_shown(key)} is unknown" for key in weights if key not in own]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in weights and weights[key].shape != own[key].shape
    ]
    if problems:
        more = f"; and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        raise CheckpointError(f"{path}: weights that do not fit: {'; '.join(problems[:MOST_PROBLEMS])}{more}")
