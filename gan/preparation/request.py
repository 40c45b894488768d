"""What a preparation is asked for, and what of it the target folder holds already."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from gan.data import MANIFEST, WORK, DataError, Kind, read_manifest
from gan.images.labels import read_table
from gan.images.sources import Source
from gan.preparation.assemble import publish
from gan.preparation.makers import Maker


class Request:
    """What is asked for, and what of it `out` holds already."""

    def __init__(
        self,
        source: Source,
        out: Path,
        maker: Maker,
        table: str | os.PathLike[str] | None,
        table_key: str | None,
        label: str | None,
        replace: bool,
    ):
        self.source, self.out, self.maker = source, out, maker
        self.table = None if table is None else Path(table).resolve()
        self.table_key, self.label, self.replace = table_key, label, replace

    def look(self) -> None:
        """List the source and find out what stands in `out`; raises `DataError` if something is in the way."""
        publish(self.out, self.maker.kind)
        self.entries = self.source.entries(skip=self.out.resolve())
        if not self.entries:
            raise DataError(f"{self.source.path} holds no files")
        text = "\n".join(f"{entry.name}\t{entry.stamp}" for entry in self.entries)
        self.fingerprint = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        self.plan = {
            "source": str(self.source.path),
            "key": self.source.key,
            "transform": self.maker.transform(),
        }
        self.before = _standing(self.out, self.plan, self.fingerprint, self.maker.kind, self.replace)
        self.labels_from = self._labels_from()

    def _labels_from(self) -> dict[str, Any] | None:
        held = self.before.get("labels_from") if self.before else None
        if self.table is None and held and "table" in held and Path(held["table"]).is_file():
            self.table, self.table_key = Path(held["table"]), held["key"]  # a table given once stays
        if self.label is None and held:
            self.label = held.get("label")
        named = {} if self.label is None else {"label": self.label}
        columns = set(self.source.labels())
        if self.table is None:
            self._check_label(columns)
            return named or None
        try:
            digest = hashlib.sha256(self.table.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"--table {self.table} cannot be read: {error.strerror or error}") from None
        self._check_label(columns | set(read_table(self.table, self.table_key).columns))
        return {"table": str(self.table), "sha256": digest, "key": self.table_key, **named}

    def _check_label(self, columns: set[str]) -> None:
        if self.label is not None and self.label not in columns:
            have = ", ".join(sorted(map(str, columns))) or "none (--table gives some)"
            raise DataError(f"--label {self.label}: no such column; there are: {have}")

    def is_done(self) -> bool:
        """Whether `out` is exactly what is asked for."""
        before = self.before
        if before is None or before["source"].get("fingerprint") != self.fingerprint:
            return False
        return before.get("labels_from") == self.labels_from


def _standing(out: Path, plan: dict[str, Any], fingerprint: str, kind: Kind, replace: bool) -> dict[str, Any] | None:
    """Manifest of the set that `out` holds already, if it can be built upon; raises `DataError` if it is in the way."""
    if not (out / MANIFEST).exists():
        others = [path.name for path in out.iterdir() if path.name != WORK]
        if others:
            raise DataError(
                f"--out {out} is not empty and not a {kind.words} (it holds {sorted(others)[0]}); choose another"
            )
        return None
    if replace:
        with contextlib.suppress(DataError):
            manifest = read_manifest(out, kind)
            if _same(manifest, plan, fingerprint):
                return manifest
        return None
    manifest = read_manifest(out, kind)
    if not _same(manifest, plan, fingerprint):
        held = manifest.get("source", {})
        sizes = " ".join(manifest.get("arrays", {}))
        by = manifest.get("transform", {}).get("filter")
        what = f"from {held.get('path', held.get('kind'))}, sizes {sizes}, filter {by}"
        raise DataError(f"--out {out} holds another {kind.words} ({what}); choose another folder, or --replace it")
    return manifest


def _same(manifest: dict[str, Any], plan: dict[str, Any], fingerprint: str) -> bool:
    source = manifest.get("source", {})
    here = source.get("path") == plan["source"] or source.get("fingerprint") == fingerprint
    return here and source.get("key") == plan["key"] and manifest.get("transform") == plan["transform"]
