"""A trial's folder after a process died in it: which checkpoint is whole, and what the trial had reported by then."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

KEPT = 2
"""Checkpoints kept besides the newest: the best by the objective."""


def mend(folder: Path) -> list[str]:
    """Make a trial's folder one that it can go on from.

    The newest checkpoint is read back and its checksum compared; a damaged one is set aside. Checkpoints that a dead
    process left beyond the best two and the newest are removed, and so are plain files: Ray Train's own list of
    checkpoints is not written atomically and refuses a trial for good when it is cut short. The folders say what there
    is.

    Parameters
    ----------
    folder : Path
        Of the trial; may be absent.

    Returns
    -------
    list of str
        What was wrong, for the user.
    """
    notes: list[str] = []
    if not folder.is_dir():
        return notes
    while (newest := next(iter(checkpoints(folder)), None)) is not None:
        problem = damage(newest)
        if problem is None:
            break
        aside = folder / f"damaged-{newest.name}"
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(newest, aside)
        notes.append(f"{problem}; set aside as {aside.name}; the checkpoint before it is used")
    if notes and newest is None:
        notes.append("no checkpoint is left: the trial begins anew")
    _prune(folder)
    for path in folder.iterdir():
        if path.is_file():
            path.unlink(missing_ok=True)
    return notes


def checkpoints(folder: Path) -> list[Path]:
    """Folders of the trial's checkpoints, newest first."""
    return sorted(folder.glob("epoch-*"), reverse=True)


def account(checkpoint: Path) -> dict[str, Any]:
    """What the trial had reported when a checkpoint was written: its evaluation and, as `losses`, every epoch's losses.

    Raises
    ------
    ValueError
        The account is absent or cut short: a process died while it wrote the checkpoint.
    """
    try:
        content = json.loads((checkpoint / "metrics.json").read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{checkpoint}: cut short ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{checkpoint / 'metrics.json'}: not an account of a checkpoint")
    return content


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint's folder; None: it is whole."""
    from gan.training.checkpoint import CheckpointError, read

    try:
        read(checkpoint / "checkpoint.pt")
        account(checkpoint)
    except (CheckpointError, ValueError) as error:
        return str(error)
    return None


def reported(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All that a trial had reported up to its newest checkpoint, from its folder alone.

    Returns
    -------
    losses : list of dict
        One row per epoch: `epoch`, `time` and the losses.
    evaluations : list of dict
        As they were reported, by epoch, with the folder of each as `evaluation`.
    """
    for checkpoint in checkpoints(folder):
        try:
            content = account(checkpoint)
        except ValueError:
            continue
        return content.get("losses", []), _reported(folder, content["epoch"])
    return [], []


def read_evaluations(folder: Path) -> tuple[dict[str, Any], ...]:
    """Return the contents of a trial's `evaluation.json` files, by epoch; one that cannot be read is left out."""
    found = []
    for path in sorted(folder.glob("evaluations/epoch-*/evaluation.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, OSError):
            continue
    return tuple(found)


def _reported(folder: Path, last: int) -> list[dict[str, Any]]:
    """The evaluations up to an epoch, as they were reported."""
    return [
        {**facts.pop("metrics"), **facts, "evaluation": str(folder / "evaluations" / f"epoch-{facts['epoch']:05d}")}
        for facts in read_evaluations(folder)
        if facts["epoch"] <= last
    ]


def _prune(folder: Path) -> None:
    older = checkpoints(folder)[1:]
    for checkpoint in sorted(older, key=_objective)[KEPT:]:
        shutil.rmtree(checkpoint, ignore_errors=True)


def _objective(checkpoint: Path) -> float:
    try:
        return float(account(checkpoint)["objective"])
    except (ValueError, OSError, KeyError):
        return float("inf")
