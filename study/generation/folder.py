"""A folder that is being filled with galaxies: whose it is, which blocks are done, how it is finished."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from common.atomic import atomic_path, write_json, write_text
from common.errors import InputError

MANIFEST = "manifest.json"
CATALOGUE = "catalogue.parquet"
CONTACT_SHEET = "contact_sheet.png"
WORK = ".generation"


class GenerationFolder:
    """The state of a generation on disk.

    `manifest.json` says what is being made, from the first moment. While galaxies are made, `.generation` holds
    the record of finished blocks (one line each: number and SHA-256 of the pixels) and their catalogues.

    Parameters
    ----------
    path : Path
        The user's `--out`.
    request : dict
        Everything that decides the galaxies and their files; a folder begun with another request is refused.
    """

    def __init__(self, path: Path, request: dict[str, Any]):
        self.path, self.request = path, request
        self.work = path / WORK
        self.done: dict[int, str] = {}
        self._lock: Any = None

    def open(self) -> bool:
        """Take the folder and read what is done; True: the generation is complete already.

        Raises
        ------
        InputError
            The folder cannot be written, is in use, or holds something else.
        """
        try:
            begun = self._check()
            if begun and begun.get("complete"):
                return True
            self.work.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            if not begun:
                self._write_manifest({"complete": False, "request": self.request})
            self.done = self._read_record()
        except OSError as error:
            raise InputError(f"--out {self.path}: {error.strerror or error}") from None
        return False

    def _check(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise InputError(f"--out {self.path}: a file; expected a folder, new or of this generation")
        file = self.path / MANIFEST
        if not file.exists():
            # A kill between making the folder and writing the manifest leaves the work folder alone.
            if any(entry.name != WORK for entry in self.path.iterdir()):
                raise InputError(
                    f"--out {self.path}: not empty, and no generation was begun there; choose a new folder"
                )
            return None
        try:
            found = json.loads(file.read_text())
            begun = _flat(found["request"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"--out {self.path}: {MANIFEST} is not one of this program; choose a new folder") from None
        wanted = _flat(self.request)
        for key in [*wanted, *begun]:
            if wanted.get(key) != begun.get(key):
                change = f"{key}: {_brief(begun.get(key))} there, {_brief(wanted.get(key))} asked for"
                raise InputError(f"--out {self.path}: holds another generation ({change}); choose a new folder")
        return found

    def _take_lock(self) -> None:
        self._lock = open(self.work / "lock", "a+")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            raise InputError(f"--out {self.path}: another process is generating into this folder") from None

    def release(self) -> None:
        """Let others take the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _read_record(self) -> dict[int, str]:
        """Finished blocks; a line that a kill cut short is dropped."""
        file = self.work / "done"
        lines = file.read_text().split("\n") if file.exists() else [""]
        whole = [line.split(" ") for line in lines[:-1]]
        done = {int(parts[0]): parts[1] for parts in whole if len(parts) == 2 and parts[0].isdigit()}
        if lines[-1]:
            write_text(file, "".join(f"{b} {d}\n" for b, d in done.items()))
        return done

    def mark(self, block: int, digest: str) -> None:
        """Record a block whose files are all written."""
        with open(self.work / "done", "a") as file:
            file.write(f"{block} {digest}\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[block] = digest

    def part(self, block: int) -> Path:
        """The catalogue of a block, until all are put together."""
        return self.work / f"catalogue-{block:06d}.parquet"

    def digest(self) -> str:
        """SHA-256 over the SHA-256 of the blocks' pixels: equal for equal galaxies in equal blocks."""
        return hashlib.sha256("".join(self.done[block] for block in sorted(self.done)).encode()).hexdigest()

    def join_catalogue(self, blocks: int) -> dict[str, int]:
        """Put the blocks' catalogues together, one row group each; returns the count of each status."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        counts: Counter[str] = Counter()
        schema = pq.read_schema(self.part(0))
        with atomic_path(self.path / CATALOGUE) as partial, pq.ParquetWriter(partial, schema) as writer:
            for block in range(blocks):
                table = pq.read_table(self.part(block)).cast(pa.schema(schema))
                writer.write_table(table)
                counts.update(table["status"].to_pylist())
        return dict(counts)

    def finish(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Write the final manifest and remove the working files."""
        manifest = {"complete": True, "request": self.request, **facts}
        self._write_manifest(manifest)
        self.release()
        shutil.rmtree(self.work, ignore_errors=True)
        return manifest

    def _write_manifest(self, content: dict[str, Any]) -> None:
        write_json(self.path / MANIFEST, content)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a generation."""
    return json.loads((folder / MANIFEST).read_text())


def _flat(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat


def _brief(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 16 else text[:12] + "..."
