"""A study's folder: who owns it, what it holds, whether it may be continued."""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from common.atomic import atomically
from study.config.errors import InputError
from study.config.study import Study
from study.storage.object_store import Mirror

STATE = "state.json"


class StudyFolder:
    """`results/<study>/`: state, Optuna database, trials, reference catalogue, finalists, report.

    Parameters
    ----------
    results : Path
        Folder of all studies.
    study : Study
        Names the folder.
    """

    def __init__(self, results: Path, study: Study):
        self.results, self.study = results.resolve(), study
        self.path = self.results / study.name
        self.trials = self.path / "trials"
        self.database = self.path / "optuna.db"
        self.cache = self.results / ".cache"
        self.state: dict[str, Any] = {}
        self.mirror: Mirror | None = None
        self._lock: Any = None

    @property
    def exists(self) -> bool:
        """Whether a study was begun here."""
        return (self.path / STATE).exists()

    def saved(self, key: str) -> Any:
        """A value of the state of an earlier run; None: there is none."""
        return json.loads((self.path / STATE).read_text()).get(key) if self.exists else None

    def check_writable(self) -> None:
        """Raise `InputError` when the results folder cannot be written; leaves nothing behind."""
        there = self.results
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise InputError(f"--results {self.results}: {there} is not a folder")
        probe = there / f".writable-{uuid.uuid4().hex}"
        try:
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(f"--results {self.results}: cannot write to {there} ({error.strerror})") from None

    def check(self, *, resume: bool, command: str) -> None:
        """Raise `InputError` when the study cannot be begun or continued here; changes nothing.

        Parameters
        ----------
        resume : bool
            The user asked to continue.
        command : str
            The command that would, for the message.

        Raises
        ------
        InputError
            The study exists and `resume` is False; it does not exist and `resume` is True; or its file has changed.
        """
        if resume and not self.exists:
            raise InputError(f"--resume: no study in {self.path}; leave --resume out to begin it")
        if self.exists:
            self._check_same(resume, command)

    def open(self) -> None:
        """Take the folder for this process; begin the study or continue it.

        Raises
        ------
        InputError
            Another process runs the study.
        """
        self.trials.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        if self.exists:
            self.state = json.loads((self.path / STATE).read_text())
            return
        self.state = {"study_id": uuid.uuid4().hex, "begun": time.time(), "digest": self.study.digest(), "ended": None}
        atomically(self.path / "study.yaml", lambda path: path.write_text(self.study.as_yaml()))
        self.save()

    def _check_same(self, resume: bool, command: str) -> None:
        state = json.loads((self.path / STATE).read_text())
        if not resume:
            ended = "finished" if state.get("ended") else "began"
            raise InputError(
                f"{self.path} holds this study already (it {ended}). To continue it or see its table: {command}\n"
                "  To run it anew: --results DIR with another folder, another `study:` name, or remove that folder"
            )
        if state["digest"] != self.study.digest():
            before = (self.path / "study.yaml").read_text().splitlines()
            difference = difflib.unified_diff(
                before, self.study.as_yaml().splitlines(), "begun with", "now", lineterm="", n=0
            )
            shown = "\n  ".join(line for line in difference if not line.startswith("@@"))
            raise InputError(
                f"--resume: the study in {self.path} was begun with other settings:\n  {shown}\n"
                "  Put them back to continue, or give the study another name"
            )

    def _take_lock(self) -> None:
        self._lock = open(self.path / ".lock", "a+")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "another process"
            raise InputError(f"{self.path}: {owner} is running this study; wait for it or stop it first") from None
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()} on {os.uname().nodename}")
        self._lock.flush()

    def save(self, **changes: Any) -> None:
        """Write the state file."""
        self.state.update(changes)
        atomically(self.path / STATE, lambda path: path.write_text(json.dumps(self.state, indent=1)))

    def release(self) -> None:
        """Let others take the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
