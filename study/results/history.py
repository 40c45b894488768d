"""What a study's folder holds, read without changing anything in it: history, trials, state, division of the galaxies.

The study may be running, or may have been killed in the middle of a write.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

from common.errors import InputError
from study.config.study import Study
from study.results.trials import TrialRow, collect

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """How the galaxies were divided.

    Attributes
    ----------
    train, reference : (n,) int64 arrays
        Rows of the galaxy set to train on, and rows that the objective compares with.
    """

    train: Rows
    reference: Rows

    @property
    def held_out(self) -> bool:
        """Whether the reference galaxies were kept out of training."""
        return not np.array_equal(self.train, self.reference)


@contextlib.contextmanager
def open_database(path: Path) -> Iterator[optuna.Study | None]:
    """Yield the Optuna study in a database; None if there is none yet.

    A copy is read, so that nothing is written next to the original: not a lock, not a journal, not a new table.

    Raises
    ------
    InputError
        If the file is not a search history.
    """
    if not path.exists():
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="history-") as place:
        copy = Path(place) / "optuna.db"
        _copy_database(path, copy)
        storage = None
        try:
            storage = optuna.storages.RDBStorage(f"sqlite:///{copy}")
            names = optuna.get_all_study_names(storage)
            yield optuna.load_study(study_name=names[0], storage=storage) if names else None
        except (sqlite3.Error, KeyError) as error:
            raise InputError(f"{path}: cannot be read as a search history ({error})") from None
        finally:
            if storage is not None:
                storage.engine.dispose()


def _copy_database(source: Path, target: Path) -> None:
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as opened,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            opened.backup(copy)
    except sqlite3.Error:
        # A killed writer leaves a journal that a read-only connection may not roll back; its copy may.
        for suffix in ("", "-journal", "-wal", "-shm"):
            file = source.with_name(source.name + suffix)
            if file.exists():
                shutil.copyfile(file, target.with_name(target.name + suffix))
        try:
            with contextlib.closing(sqlite3.connect(target)) as copy:
                copy.execute("select count(*) from sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise InputError(f"{source}: not a database, or damaged ({error})") from None


def read_trials(study: Study, folder: Path) -> list[TrialRow]:
    """Return the trials that were begun, best first (see `open_database`, `collect`)."""
    with open_database(folder / "optuna.db") as history:
        return [] if history is None else collect(study, history, folder)


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; empty if it is absent or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_split(folder: Path) -> Split | None:
    """Return the division of the galaxies; None if none was made yet, or its file is damaged."""
    try:
        with np.load(folder / "split.npz", allow_pickle=False) as arrays:
            return Split(arrays["train"], arrays["reference"])
    except (OSError, ValueError, KeyError):
        return None


def judged(row: TrialRow, folder: Path) -> tuple[dict[str, Any], Path] | None:
    """Return the evaluation that a trial is ranked by, and its folder.

    Parameters
    ----------
    row : TrialRow
        The trial.
    folder : Path
        Of the study.

    Returns
    -------
    (dict, Path) or None
        Content of `evaluation.json`: the finalist's where there is one, else the best. None: it was never judged.
    """
    if row.final is not None:
        return row.final, folder / "finalists" / row.name
    best = row.best
    return None if best is None else (best, row.folder / "evaluations" / f"epoch-{best['epoch']:05d}")
