"""Results in an object store: the folder of a study, kept alike on machines that share no disk.

Every process works in an ordinary folder of its machine. `Mirror` copies what others need to the store and what it
needs of others from it: the driver sends the division of the galaxies and the Optuna database, a worker sends each
evaluation, Ray Train writes checkpoints there itself. So a study can be resumed on a machine that holds nothing of it.

A file counts as unchanged when its size and its time of change (to a second) are those of its copy.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.atomic import atomically
from study.config.errors import InputError
from study.storage.trial_files import TrialFiles

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "file")
CHECKPOINT = "checkpoint.pt"
STATE, GALAXIES, STAGE1, DATABASE = "state.json", "galaxies", "stage1.pt", "optuna.db"
OWN = (".lock", "tune", "trials", GALAXIES, STAGE1, DATABASE)
"""What `Mirror.push_driver` leaves out: this machine's own, what workers write, and what has a way of its own."""


def join(uri: str, *names: str) -> str:
    """`uri` with names added to its path, in front of its query (such as `?endpoint_override=HOST:PORT`)."""
    base, mark, query = uri.partition("?")
    return "/".join([base.rstrip("/"), *names]) + mark + query


def check_storage(uri: str) -> None:
    """Raise `InputError` when a store cannot be used: its address, its credentials, or its bucket."""
    from pyarrow import fs

    parts = urlsplit(uri)
    if parts.scheme not in SCHEMES:
        raise InputError(
            f"--storage {uri.partition('?')[0]}: expected s3://BUCKET/FOLDER, gs:// or another of {SCHEMES}"
        )
    if parts.password or parts.username:
        raise InputError(f"--storage {parts.scheme}://...: leave credentials out of the address; the environment or a "
                         "file such as ~/.aws/credentials gives them, on every node")  # fmt: skip
    try:
        files, path = fs.FileSystem.from_uri(uri)
        probe = f"{path.rstrip('/')}/.writable-{os.getpid()}"
        if parts.scheme == "file":
            files.create_dir(path)
        with files.open_output_stream(probe) as stream:
            stream.write(b"1")
        files.delete_file(probe)
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise InputError(f"--storage {uri}: cannot be written: {reason}") from None


class Mirror:
    """A folder of this machine and its copy in a store.

    Parameters
    ----------
    uri : str
        The copy, as `pyarrow.fs.FileSystem.from_uri` takes it.
    folder : Path
        The folder.
    """

    def __init__(self, uri: str, folder: Path):
        from pyarrow import fs

        self.uri, self.folder = uri, folder
        self._files, path = fs.FileSystem.from_uri(uri)
        self._root = path.rstrip("/")

    def pull(self, *names: str, skip: Iterable[str] = ()) -> None:
        """Copy files and folders by name from the store, those that changed; "" is everything.

        Parameters
        ----------
        names : str
            Relative to the folder; one that the store lacks is left out.
        skip : iterable of str
            File names to leave out, such as `checkpoint.pt`.
        """
        for name in names:
            for relative, info in self._stored(name).items():
                local = self.folder / relative
                if Path(relative).name in skip or _alike(local, info):
                    continue
                local.parent.mkdir(parents=True, exist_ok=True)
                atomically(local, functools.partial(self._download, info))

    def push(self, *names: str, exact: bool = False) -> None:
        """Copy files and folders by name to the store, those that changed.

        Parameters
        ----------
        names : str
            Relative to the folder.
        exact : bool
            Also remove from the store what the folder lacks.
        """
        for name in names:
            self.send(self.folder / name, name)
            if exact:
                for relative in self._stored(name):
                    if not (self.folder / relative).exists():
                        self._files.delete_file(f"{self._root}/{relative}")

    def send(self, source: Path, name: str) -> None:
        """Copy a file or folder of this machine to the store under `name`."""
        paths = [source] if source.is_file() else [p for p in sorted(source.rglob("*")) if p.is_file()]
        stored = self._stored(name)
        for path in paths:
            relative = name if path == source else f"{name}/{path.relative_to(source).as_posix()}"
            if path.name.endswith(".partial") or (relative in stored and _alike(path, stored[relative])):
                continue
            self._upload(path, relative)

    def push_driver(self) -> None:
        """Copy all that the driver writes: state, division, reference, finalists, the best model, the database."""
        self.push(*(p.name for p in sorted(self.folder.iterdir()) if p.name not in OWN))
        self.push_database()

    def push_database(self) -> None:
        """Copy the Optuna database as it is at this moment."""
        if not (self.folder / DATABASE).exists():
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / DATABASE
            with (
                contextlib.closing(sqlite3.connect(self.folder / DATABASE, timeout=60)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            self._upload(copy, DATABASE)

    def names(self, name: str) -> set[str]:
        """Files of the store under a name, relative to the folder."""
        return set(self._stored(name))

    def _stored(self, name: str) -> dict[str, Any]:
        """Files of the store under `name`, by their names relative to the folder."""
        from pyarrow import fs

        path = f"{self._root}/{name}".rstrip("/")
        info = self._files.get_file_info(path)
        if info.type == fs.FileType.File:
            return {name: info}
        found = self._files.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        return {f.path.removeprefix(f"{self._root}/"): f for f in found if f.type == fs.FileType.File}

    def _download(self, info: Any, target: Path) -> None:
        with self._files.open_input_stream(info.path) as source, open(target, "wb") as file:
            shutil.copyfileobj(source, file, 8 << 20)
        os.utime(target, (info.mtime.timestamp(),) * 2)

    def _upload(self, path: Path, name: str) -> None:
        target = f"{self._root}/{name}"
        if self._files.type_name == "local":
            Path(target).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "rb") as source, self._files.open_output_stream(target) as stream:
            shutil.copyfileobj(source, stream, 8 << 20)
        os.utime(path, (self._files.get_file_info(target).mtime.timestamp(),) * 2)


def _alike(path: Path, info: Any) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    return facts.st_size == info.size and abs(facts.st_mtime - info.mtime.timestamp()) <= 1


def bring(storage: str | None, folder: Path) -> Mirror | None:
    """The driver's mirror, with all that the store knows of the study on this machine, checkpoints left out."""
    if storage is None:
        return None
    check_storage(storage)
    mirror = Mirror(join(storage, folder.name), folder)
    if (folder / STATE).exists():
        mirror.pull("trials", skip=(CHECKPOINT,))
    else:
        mirror.pull("", skip=(CHECKPOINT,))
        _forget_absent_store(folder / STATE)
    return mirror


def _forget_absent_store(path: Path) -> None:
    """A study that comes from another machine cannot go on in the SQLite file that MLflow had there."""
    if not path.exists():
        return
    state = json.loads(path.read_text())
    uri = state.get("tracking_uri") or ""
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        atomically(path, lambda partial: partial.write_text(json.dumps(state | {"tracking_uri": None}, indent=1)))


def send_inputs(mirror: Mirror | None, data: Path, stage1: Path | None) -> None:
    """Send what workers read, and what an earlier run without a store left here."""
    if mirror is None:
        return
    mirror.send(data, GALAXIES)
    if stage1:
        mirror.send(stage1, STAGE1)
    mirror.push("trials")
    mirror.push_driver()


def bring_best(mirror: Mirror | None, rows: Iterable[Any]) -> None:
    """Fetch the best stored checkpoint of each of these trials (`study.results.trials.TrialRow`)."""
    if mirror is None:
        return
    for row in rows:
        stored = mirror.names(f"trials/{row.name}")
        for evaluation in sorted(row.evaluations, key=lambda e: e["objective"]):
            name = f"trials/{row.name}/epoch-{evaluation['epoch']:05d}"
            if f"{name}/{CHECKPOINT}" in stored:
                mirror.pull(name)
                break


def begin(files: TrialFiles, trial: str) -> None:
    """Before a trial begins, beside the driver: fetch what it left in the store, send the database that knows it."""
    mirror = _mirror(files)
    if mirror is not None:
        mirror.pull(f"trials/{trial}")
        mirror.push_database()


def settled(files: TrialFiles, trial: str) -> TrialFiles:
    """Return the files of a trial where they are on this worker's machine; what it lacks is fetched."""
    storage = files.storage
    if not storage:
        return files
    home = _home("study", storage)
    mirror = Mirror(storage, home)
    mirror.pull("split.npz", "reference.parquet", f"trials/{trial}")

    def here(path: Path, name: str) -> Path:
        if path.exists():
            return path
        mirror.pull(name)
        return home / name

    stage1 = here(files.stage1, STAGE1) if files.stage1 else None
    return TrialFiles.of_study(home, here(files.data, GALAXIES), stage1=stage1, storage=storage)


def share(files: TrialFiles, folder: Path, *, exact: bool = False) -> None:
    """Send a folder inside the trials' folder to the store; without a store all nodes see it already."""
    mirror = _mirror(files)
    if mirror is not None:
        mirror.push(folder.relative_to(mirror.folder).as_posix(), exact=exact)


def receive(files: TrialFiles, trial: str, metrics: dict[str, Any]) -> dict[str, Any]:
    """Bring what a report names to the driver's machine, and return the report as it reads there."""
    mirror = _mirror(files)
    if mirror is None:
        return metrics
    if "resumed" in metrics:
        mirror.pull(f"trials/{trial}", skip=(CHECKPOINT,))
    if "evaluation" not in metrics:
        return metrics
    name = f"trials/{trial}/evaluations/{Path(metrics['evaluation']).name}"
    mirror.pull(name)
    mirror.push_database()
    return {**metrics, "evaluation": str(mirror.folder / name)}


def address_of(files: TrialFiles, path: Path) -> str:
    """A file of the study's folder as any node can find it: its path, or its address in the store."""
    mirror = _mirror(files)
    return str(path) if mirror is None else join(mirror.uri, path.relative_to(mirror.folder).as_posix())


def fetched(address: str) -> str:
    """The path of a file on this machine; one in a store is copied to this machine's temporary folder once."""
    if "://" not in address:
        return address
    plain, mark, query = address.partition("?")
    folder, _, name = plain.rpartition("/")
    home = _home("file", address)
    Mirror(folder + mark + query, home).pull(name)
    return str(home / name)


def _mirror(files: TrialFiles) -> Mirror | None:
    return Mirror(files.storage, files.trials.parent) if files.storage else None


def _home(kind: str, address: str) -> Path:
    """A folder of this user on this machine."""
    name = hashlib.sha256(f"{os.getuid()} {address}".encode()).hexdigest()[:20]
    return Path(tempfile.gettempdir()) / f"galaxy-gan-{kind}-{name}"
