"""A trained model by what a user calls it: a file, a study's folder, an MLflow run, a registered model."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import FieldError, InputError, first_line
from study.tracking.credentials import scrubbed, without_password

CHECKPOINT = "model/checkpoint.pt"
"""The artifact of a trial's or study's MLflow run that holds its best networks."""
ACCEPTED = (
    "expected a checkpoint file, the folder of a study, runs:/ID, models:/NAME/VERSION, "
    "or a state dict in the layout of the authors' dcgan_G.pth"
)


@dataclass(frozen=True)
class Model:
    """Networks that draw galaxies, ready for `gan.sample.sample`.

    Attributes
    ----------
    network : torch module
        Takes `(N, latent_dim)` noise.
    image_size, channels : int
        Of what it draws.
    origin : dict
        For the record: of each stage what was asked for, the file's name and SHA-256, and the network's settings.
    """

    network: Any
    image_size: int
    channels: int
    origin: dict[str, Any]


def load_model(model: str, enlarge: str | None = None, *, tracking_uri: str | None = None) -> Model:
    """Load a generator, or the chain of a generator and an enlarger (F&M sec. 2.3).

    Parameters
    ----------
    model, enlarge : str
        As `find_model` takes them; `enlarge` is a Stage-II.
    tracking_uri : str or None
        MLflow store of `runs:` and `models:`.

    Raises
    ------
    InputError
        There is no such model, it is damaged, or the two do not fit each other.
    """
    from gan.config import as_dict
    from gan.training.checkpoint import CheckpointError, load_enlarger, load_generator

    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        try:
            file = find_model(model, Path(folder), tracking_uri=tracking_uri)
            network, config = load_generator(file)
            origin = {"model": origin_of(model, file, as_dict(config))}
            if enlarge is None:
                return Model(network, config.image_size, config.channels, origin)
            file = find_model(enlarge, Path(folder), tracking_uri=tracking_uri)
            enlarger, second = load_enlarger(file)
            origin["enlarge"] = origin_of(enlarge, file, as_dict(second))
            return Model(_chain(network, config, enlarger, second), second.image_size, second.channels, origin)
        except (CheckpointError, FieldError) as error:
            raise InputError(str(error)) from None


def _chain(network: Any, config: Any, enlarger: Any, second: Any) -> Any:
    from gan.models.chain import Chain

    if config.channels != second.channels:
        raise InputError(f"--enlarge: takes {second.channels} bands, and --model draws {config.channels}")
    try:
        return Chain(network, enlarger)
    except ValueError as error:
        raise InputError(f"--enlarge: {error}") from None


def load_enhancer_model(model: str, *, tracking_uri: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Load an enhancer; `model` as `find_model` takes it.

    Returns
    -------
    network : torch module
        Ready for `gan.enhance.apply.enhancer.enhance`.
    origin : dict
        What was asked for, the file's name and SHA-256, and the network's settings.

    Raises
    ------
    InputError
        There is no such model, it is damaged, or it is no enhancer.
    """
    from gan.config import as_dict
    from gan.enhance.training.checkpoint import load_enhancer
    from gan.training.checkpoint import CheckpointError

    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        try:
            file = find_model(model, Path(folder), tracking_uri=tracking_uri)
            network, config = load_enhancer(file)
            return network, origin_of(model, file, as_dict(config))
        except (CheckpointError, FieldError) as error:
            raise InputError(f"--model: {error}") from None


def choose_device(device: str | None) -> str:
    """Return the device of `--device`; None: a GPU if there is one.

    Raises
    ------
    InputError
        There is no such device.
    """
    import torch

    from gan.training.hardware import resolve_device

    try:
        place = resolve_device(device)
    except FieldError as error:
        raise InputError(f"--device {device}: expected {error.accepted}") from None
    if place.type not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: expected cpu, cuda or cuda:NUMBER")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"--device {device}: {torch.cuda.device_count()} CUDA devices are here; use cpu or leave it out"
        )
    return str(place)


def origin_of(given: str, file: Path, config: dict[str, Any]) -> dict[str, Any]:
    """For the record: what was asked for, the file's name and SHA-256, and the network's settings."""
    return {"given": given, "file": file.name, "sha256": file_digest(file), "config": config}


def file_digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_model(given: str, folder: Path, *, tracking_uri: str | None = None) -> Path:
    """The checkpoint file that a user means.

    Parameters
    ----------
    given : str
        A file; a study's folder (its `best/checkpoint.pt`) or any folder with `checkpoint.pt`; `runs:/ID` or
        `runs:/ID/PATH` of an artifact; `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
    folder : Path
        Where to download to.
    tracking_uri : str or None
        MLflow store; None: `MLFLOW_TRACKING_URI`, else `results/mlflow.db` if it is there.

    Raises
    ------
    InputError
        Nothing is found under that name.
    """
    if re.match(r"(runs|models):/", given):
        return _download(given, folder, tracking_uri)
    path = Path(given)
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise InputError(f"model {given!r}: no such file or folder; {ACCEPTED}")
    return path


def _in_folder(folder: Path) -> Path:
    for path in (folder / "best" / "checkpoint.pt", folder / "checkpoint.pt"):
        if path.is_file():
            return path
    so_far = _best_so_far(folder)
    if so_far is not None:
        raise InputError(f"model {str(folder)!r}: the study has no best checkpoint yet; the best so far is {so_far}")
    studies = sorted(str(p.parent.parent) for p in folder.glob("*/best/checkpoint.pt"))
    there = f"; studies there: {', '.join(studies[:8])}" if studies else ""
    raise InputError(f"model {str(folder)!r}: neither best/checkpoint.pt nor checkpoint.pt is in that folder{there}")


def _best_so_far(folder: Path) -> Path | None:
    """The kept checkpoint with the smallest objective of a study that has not ended."""
    from study.storage.trial_folder import read_evaluations

    found = [
        (evaluation["objective"], path)
        for home in sorted(folder.glob("trials/*"))
        for evaluation in read_evaluations(home)
        if (path := home / f"epoch-{evaluation['epoch']:05d}" / "checkpoint.pt").exists()
    ]
    return min(found, default=(0.0, None))[1]


def _download(given: str, folder: Path, tracking_uri: str | None) -> Path:
    uri = _store(given, tracking_uri)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from study.tracking.mlflow_store import check_reachable

    check_reachable(uri)
    import mlflow
    from mlflow.artifacts import download_artifacts

    source = f"{given}/{CHECKPOINT}" if re.fullmatch(r"runs:/[^/]+/?", given) else given
    try:
        if given.startswith("models:/"):
            source = _registered(mlflow.MlflowClient(tracking_uri=uri), given)
        target = Path(tempfile.mkdtemp(dir=folder))
        got = Path(download_artifacts(artifact_uri=source, dst_path=str(target), tracking_uri=uri))
    except Exception as error:  # noqa: BLE001 (whatever a store or an artifact repository raises)
        reason = scrubbed(first_line(error), uri)
        shown = without_password(uri)
        raise InputError(f"model {given!r}: not to be had from MLflow at {shown}: {reason}") from None
    files = [got] if got.is_file() else sorted([*got.rglob("*.pt"), *got.rglob("*.pth")])
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise InputError(f"model {given!r}: expected one checkpoint among its artifacts, found {names}")
    return files[0]


def _registered(client: Any, given: str) -> str:
    """The artifact URI behind `models:/NAME/VERSION` or `models:/NAME@ALIAS`."""
    name, at, alias = given.removeprefix("models:/").partition("@")
    if at:
        return str(client.get_model_version_by_alias(name, alias).source)
    name, _, version = name.rpartition("/")
    if not name or not version.isdigit():
        raise ValueError("expected models:/NAME/VERSION with a number, or models:/NAME@ALIAS")
    return str(client.get_model_version(name, version).source)


def _store(given: str, tracking_uri: str | None) -> str:
    """The MLflow store to ask; never one that asking would create."""
    from study.tracking.mlflow_store import default_uri

    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or default_uri(Path("results"))
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        hint = "" if tracking_uri else "; name the store with --tracking-uri"
        raise InputError(f"model {given!r}: there is no MLflow store at {without_password(uri)}{hint}")
    return uri
