"""A folder of finished blocks: what lets a stage that was cut short go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.atomic import write_bytes
from eval.catalogue import ENGINE_VERSION, read_catalogue
from eval.distributed.blocks import Block, StageError
from eval.settings import MeasurementSettings

DESCRIPTION = "stage.json"


class PartStore:
    """One parquet file per block, `part-START-STOP.parquet`, and `stage.json`, which says of what.

    Parameters
    ----------
    folder : Path
        Made if absent.
    source : ImageSource
        Its length and, if it has one, its `key` must be those that the folder was begun with.
    settings, engine, block_size
        So must these.

    Raises
    ------
    StageError
        The folder belongs to another stage, or cannot be written.
    """

    def __init__(self, folder: Path, source: Any, settings: MeasurementSettings, engine: str, block_size: int):
        self.folder = folder
        wanted = {
            "images": len(source),
            "block_size": block_size,
            "engine": engine,
            "engine_version": ENGINE_VERSION,
            "settings": settings.as_dict(),
            "source": getattr(source, "key", None),
        }
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim(wanted)
        except OSError as error:
            raise StageError(f"{folder} cannot be used: {error.strerror or error}") from None

    def _claim(self, wanted: dict[str, Any]) -> None:
        path = self.folder / DESCRIPTION
        if not path.exists():
            write_bytes(path, (json.dumps(wanted, indent=1) + "\n").encode())
            return
        try:
            found = json.loads(path.read_text())
        except ValueError:
            raise StageError(f"{path} is damaged: remove {self.folder} to measure again") from None
        for name, value in wanted.items():
            if found.get(name) != value:
                raise StageError(
                    f"{self.folder} holds another stage ({name} = {found.get(name)!r}, now {value!r}): "
                    "choose another folder, or remove it to measure again"
                )

    def path(self, block: Block) -> Path:
        """File of a block."""
        return self.folder / f"part-{block[0]:09d}-{block[1]:09d}.parquet"

    def has(self, block: Block) -> bool:
        """Whether a block is finished: its file can be read and has a row for every image."""
        path = self.path(block)
        if not path.exists():
            return False
        try:
            return len(read_catalogue(path)) == block[1] - block[0]
        except ValueError:
            return False

    def keep(self, block: Block, content: bytes) -> None:
        """Write the file of a block, whole or not at all."""
        try:
            write_bytes(self.path(block), content)
        except OSError as error:
            raise StageError(f"{self.path(block)} cannot be written: {error.strerror or error}") from None
