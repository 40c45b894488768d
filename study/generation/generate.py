"""Drawing, measuring and writing galaxies block by block, from where an earlier process was cut short.

Memory holds one block of at most 1,000 galaxies. Galaxy i depends on the model, the seed and i only.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from study.generation.augment import Augment, augment
from study.generation.folder import CONTACT_SHEET, GenerationFolder, read_manifest
from study.generation.writers import FORMATS, Writer, block_size, write_png
from study.results.models import Model, choose_device

SHEET_IMAGES = 64
Report = Callable[[int, int], None]


def generate(
    model: Model,
    out: Path,
    *,
    count: int,
    kind: str = "png",
    seed: int = 0,
    catalogue: bool = True,
    turn: Augment = "none",
    batch_size: int = 256,
    device: str | None = None,
    progress: Report | None = None,
) -> dict[str, Any]:
    """Draw galaxies into a folder, or go on with one that was interrupted.

    Parameters
    ----------
    model : Model
        From `study.results.models.load_model`.
    out : Path
        A new folder, or one that was begun by the same call.
    count : int
        Galaxies in all, 1 or more.
    kind : str
        A format of `study.generation.writers.FORMATS`.
    seed : int
        0 or more.
    catalogue : bool
        Measure every galaxy; `catalogue.parquet` has one row for each, those without a fit included.
    turn : {"none", "right", "any"}
        See `study.generation.augment.augment`.
    batch_size : int
        Galaxies on the device at once.
    device : str or None
        None: a GPU if there is one.
    progress : callable or None
        Called with (galaxies done, galaxies in all).

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        An option cannot be used, or the folder is of another generation or cannot be written.
    """
    shape = (model.image_size, model.image_size, model.channels)
    size = block_size(int(np.prod(shape)))
    maker = _Maker(model, seed, turn, batch_size, choose_device(device))
    request = {
        **{name: {"sha256": origin["sha256"]} for name, origin in model.origin.items()},
        "count": count, "seed": seed, "format": kind, "augment": turn, "catalogue": catalogue,
        "galaxy": list(shape), "block": size, "device": maker.device,
    }  # fmt: skip
    writer = FORMATS[kind](out, count=count, shape=shape, facts=_header_facts(model, seed, turn))
    work = _Work(maker, GenerationFolder(out, request), writer, count, size, catalogue)
    if not out.exists():
        _check_space(out, writer, count)
    if work.folder.open():
        work.check_complete()
        return read_manifest(out)
    try:
        left = [block for block in range(work.blocks) if not work.has(block)]
        _check_space(out, writer, len(left) * size)
        started = time.perf_counter()
        finished = count - sum(work.galaxies(block) for block in left)
        report: Report = progress or (lambda done, total: None)

        def within_block(done: int, total: int) -> None:
            """Report what is measured; the block's last galaxy counts when all of them are written."""
            report(finished + min(done, total - 1), count)

        report(finished, count)
        for block in left:
            work.make(block, within_block)
            finished += work.galaxies(block)
            report(finished, count)
        return work.finish(time.perf_counter() - started)
    finally:
        work.folder.release()


@dataclass(frozen=True)
class _Maker:
    """Draws any range of the galaxies."""

    model: Model
    seed: int
    turn: Augment
    batch_size: int
    device: str

    def images(self, start: int, stop: int) -> np.ndarray:
        """Galaxies `start` to `stop`: (n, H, W, C) uint8."""
        from gan.sample import sample

        drawn = sample(
            self.model.network,
            stop - start,
            seed=self.seed,
            batch_size=self.batch_size,
            device=self.device,
            start=start,
        )
        return augment(drawn, self.turn, seed=self.seed, start=start)


@dataclass(frozen=True)
class _Work:
    """All galaxies of a generation, block by block."""

    maker: _Maker
    folder: GenerationFolder
    writer: Writer
    count: int
    size: int
    catalogue: bool

    @property
    def blocks(self) -> int:
        return -(-self.count // self.size)

    def galaxies(self, block: int) -> int:
        """Number of galaxies in a block."""
        return min(self.size, self.count - block * self.size)

    def has(self, block: int) -> bool:
        """Whether an earlier process made the block, and all its files are there."""
        measured = not self.catalogue or self.folder.part(block).exists()
        return block in self.folder.done and self.writer.has(block) and measured

    def check_complete(self) -> None:
        """Raise `InputError` when files of a complete generation are gone."""
        missing = next((block for block in range(self.blocks) if not self.writer.has(block)), None)
        if missing is not None:
            raise InputError(
                f"--out {self.folder.path}: was complete, but files of its block {missing} are gone; "
                "choose a new folder"
            )

    def make(self, block: int, progress: Report) -> None:
        """Draw, measure, write and record the galaxies of a block."""
        from eval.catalogue import write_catalogue
        from eval.measure import measure

        start = block * self.size
        stop = start + self.galaxies(block)
        images = self.maker.images(start, stop)
        table = measure(images, ids=range(start, stop), progress=progress) if self.catalogue else None
        self.writer.write(block, start, images, table)
        if table is not None:
            write_catalogue(table, self.folder.part(block))
        self.folder.mark(block, hashlib.sha256(np.ascontiguousarray(images).data).hexdigest())

    def finish(self, seconds: float) -> dict[str, Any]:
        """Put the catalogue together, draw the contact sheet and write the manifest, which is returned."""
        from eval.catalogue import read_catalogue
        from eval.plots.distributions import contact_sheet
        from study.results.environment import environment

        folder = self.folder
        facts: dict[str, Any] = {"models": self.maker.model.origin, "pixels_sha256": folder.digest()}
        if self.catalogue:
            facts["measurement"] = read_catalogue(folder.part(0)).attrs.get("measurement")
            facts["status"] = folder.join_catalogue(self.blocks)
        sheet = contact_sheet(self.maker.images(0, min(SHEET_IMAGES, self.count)))
        write_png(folder.path / CONTACT_SHEET, sheet)
        return folder.finish({**facts, "seconds_of_last_run": round(seconds, 3), "environment": environment()})


def _header_facts(model: Model, seed: int, turn: str) -> dict[str, Any]:
    from importlib import metadata

    try:
        version = metadata.version("galaxy-gan-studies")
    except metadata.PackageNotFoundError:
        version = "uninstalled"
    facts = {"software": f"galaxy-gan-studies {version}", "seed": seed, "augment": turn}
    for name, origin in model.origin.items():
        facts |= {name: origin["file"], f"{name}_sha256": origin["sha256"]}
    return facts


def _check_space(out: Path, writer: Writer, galaxies: int) -> None:
    there = next(path for path in (out, *out.resolve().parents) if path.exists())
    needed = int(galaxies * int(np.prod(writer.shape)) * writer.share)
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(f"--out {out}: at least {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free")
