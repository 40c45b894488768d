"""`python -m study.generate --model M -n N --out DIR`: galaxies from a trained model, with a catalogue of their shapes.

Memory holds one block of at most 1,000 galaxies, whatever N is. Galaxy i depends on the model, the seed and i only,
so a generation that was interrupted, or killed, goes on where it was and ends with the same files.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from study.command_options import run_resumable
from study.config.errors import EXIT_OK, InputError
from study.generation.augment import Augment, augment
from study.generation.folder import CATALOGUE, CONTACT_SHEET, GenerationFolder, read_manifest
from study.generation.models import Model, load_model
from study.generation.writers import FORMATS, Writer, block_size, make_writer

SHEET_IMAGES = 64
ON_DISK = {"png": 0.3, "npy": 1.0, "npz": 0.3, "fits": 1.0}
"""Bytes on disk per byte of pixels, set low for the compressed formats: only what cannot fit is refused."""


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
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Draw galaxies into a folder, or go on with one that was interrupted.

    Parameters
    ----------
    model : Model
        From `study.generation.models.load_model`.
    out : Path
        A new folder, or one that was begun by the same call.
    count : int
        Galaxies in all, 1 or more.
    kind : {"png", "npy", "npz", "fits"}
        See `study.generation.writers`.
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
    place = choose_device(device)
    shape = (model.image_size, model.image_size, model.channels)
    size = block_size(int(np.prod(shape)))
    request = {
        **{name: {"sha256": origin["sha256"]} for name, origin in model.origin.items()},
        "count": count, "seed": seed, "format": kind, "augment": turn, "catalogue": catalogue,
        "galaxy": list(shape), "block": size, "device": place,
    }  # fmt: skip
    writer = make_writer(kind, out, count=count, shape=shape, facts=_header_facts(model, seed, turn))
    folder = GenerationFolder(out, request)
    blocks = -(-count // size)
    if not out.exists():
        _check_space(out, kind, count * int(np.prod(shape)))
    if folder.open():
        _check_complete(out, writer, blocks)
        return read_manifest(out)
    try:
        left = [b for b in range(blocks) if not _finished(folder, writer, b, catalogue)]
        _check_space(out, kind, len(left) * size * int(np.prod(shape)))
        maker = _Maker(model, seed=seed, turn=turn, batch_size=batch_size, device=place)
        started = time.perf_counter()
        finished = count - sum(min(size, count - block * size) for block in left)
        if progress:
            progress(finished, count)
        for block in left:
            start, stop = block * size, min((block + 1) * size, count)
            shown = _shifted(progress, finished, count)
            _make_block(maker, folder, writer, block, (start, stop), catalogue=catalogue, progress=shown)
            finished += stop - start
            if progress:
                progress(finished, count)
        return _finish(folder, maker, blocks, catalogue, model, time.perf_counter() - started)
    finally:
        folder.release()


class _Maker:
    """Draws any range of the galaxies."""

    def __init__(self, model: Model, *, seed: int, turn: Augment, batch_size: int, device: str):
        self.model, self.seed, self.turn = model, seed, turn
        self.batch_size, self.device = batch_size, device

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


def _make_block(
    maker: _Maker,
    folder: GenerationFolder,
    writer: Writer,
    block: int,
    span: tuple[int, int],
    *,
    catalogue: bool,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Draw, measure, write and record the galaxies of `span`."""
    from eval.catalogue import write_catalogue
    from eval.measure import measure

    images = maker.images(*span)
    table = measure(images, ids=range(*span), progress=progress) if catalogue else None
    writer.write(block, span[0], images, table)
    if table is not None:
        write_catalogue(table, folder.part(block))
    folder.mark(block, hashlib.sha256(np.ascontiguousarray(images).data).hexdigest())


def _shifted(progress: Callable[[int, int], None] | None, before: int, count: int) -> Callable[[int, int], None] | None:
    """Progress within a block as progress of the whole; the block's last galaxy is reported when it is written."""
    if progress is None:
        return None
    return lambda done, total: progress(before + min(done, total - 1), count)


def _finished(folder: GenerationFolder, writer: Writer, block: int, catalogue: bool) -> bool:
    return block in folder.done and writer.has(block) and (not catalogue or folder.part(block).exists())


def _check_complete(out: Path, writer: Writer, blocks: int) -> None:
    missing = next((block for block in range(blocks) if not writer.has(block)), None)
    if missing is not None:
        raise InputError(f"--out {out}: was complete, but files of its block {missing} are gone; choose a new folder")


def _finish(
    folder: GenerationFolder, maker: _Maker, blocks: int, catalogue: bool, model: Model, seconds: float
) -> dict[str, Any]:
    from eval.catalogue import read_catalogue
    from eval.plots.distributions import contact_sheet
    from study.results.environment import environment
    from study.tasks.generation.evaluation import write_png

    facts: dict[str, Any] = {"models": model.origin, "pixels_sha256": folder.digest()}
    if catalogue:
        facts["measurement"] = read_catalogue(folder.part(0)).attrs.get("measurement")
        facts["status"] = folder.join_catalogue(blocks)
    write_png(contact_sheet(maker.images(0, min(SHEET_IMAGES, folder.request["count"]))), folder.path / CONTACT_SHEET)
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


def _check_space(out: Path, kind: str, pixels: int) -> None:
    there = next(path for path in (out, *out.resolve().parents) if path.exists())
    needed, free = int(pixels * ON_DISK[kind]), shutil.disk_usage(there).free
    if needed > free:
        raise InputError(f"--out {out}: at least {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free")


def choose_device(device: str | None) -> str:
    """The device to use; None: a GPU if there is one.

    Raises
    ------
    InputError
        There is no such device.
    """
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError:
        raise InputError(f"--device {device}: expected cpu, cuda or cuda:NUMBER") from None
    if place.type == "cuda" and not (torch.cuda.is_available() and (place.index or 0) < torch.cuda.device_count()):
        raise InputError(
            f"--device {device}: {torch.cuda.device_count()} CUDA devices are here; use cpu or leave it out"
        )
    if place.type not in ("cpu", "cuda"):
        raise InputError(f"--device {device}: expected cpu, cuda or cuda:NUMBER")
    return str(place)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m study.generate", description="Make galaxies with a trained model, and measure them."
    )
    p.add_argument(
        "--model",
        required=True,
        metavar="M",
        help="checkpoint file, study folder, runs:/ID, models:/NAME/VERSION, or the authors' dcgan_G.pth",
    )
    p.add_argument("--enlarge", metavar="STAGE2", help="a Stage-II that enlarges what M draws; named as M is")
    p.add_argument("-n", "--count", required=True, type=int, metavar="N", help="number of galaxies")
    p.add_argument("--out", required=True, metavar="DIR", help="new folder, or one whose generation was interrupted")
    p.add_argument("--format", choices=FORMATS, default="png", help="default: png")
    p.add_argument("--seed", type=int, default=0, help="galaxy i depends on the model, SEED and i only (default: 0)")
    p.add_argument(
        "--catalogue",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure every galaxy into catalogue.parquet",
    )
    p.add_argument(
        "--augment",
        nargs="?",
        const="right",
        default="none",
        choices=("right", "any"),
        help="random flips and turns: `right` angles (the default of this option; pixels only move) or `any` angle "
        "(resampled)",
    )
    p.add_argument("--batch-size", type=int, default=256, metavar="B", help="galaxies on the device at once")
    p.add_argument("--device", help="cpu, cuda or cuda:NUMBER (default: a GPU if there is one)")
    p.add_argument("--tracking-uri", metavar="URI", help="MLflow store of runs:/ and models:/")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    return run_resumable(parser(), arguments, _run, hint="a smaller --batch-size needs less memory")


def _check(options: argparse.Namespace) -> None:
    if not 1 <= options.count <= 10**9:
        raise InputError(f"-n {options.count}: expected 1 to 1,000,000,000")
    if not 0 <= options.seed < 2**63:
        raise InputError(f"--seed {options.seed}: expected 0 to 2**63 - 1")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: expected 1 or more")


def _run(options: argparse.Namespace, console: Console) -> int:
    _check(options)
    from study.generation.progress import Bar

    with console.status("loading the model"):
        model = load_model(options.model, options.enlarge, tracking_uri=options.tracking_uri)
    out = Path(options.out)
    with Bar(console, options.count) as bar:
        manifest = generate(
            model, out, count=options.count, kind=options.format, seed=options.seed, catalogue=options.catalogue,
            turn=options.augment, batch_size=options.batch_size, device=options.device, progress=bar.update,
        )  # fmt: skip
    for line in _summary(manifest, out, bar):
        console.print(line, markup=False, soft_wrap=True)
    return EXIT_OK


def _summary(manifest: dict[str, Any], out: Path, bar: Any) -> list[str]:
    count, (height, width, bands) = manifest["request"]["count"], manifest["request"]["galaxy"]
    if bar.made == 0:
        lines = [f"{out}: all {count:,} galaxies are there already; nothing to do"]
    else:
        kept = f" ({count - bar.made:,} were there)" if bar.made < count else ""
        lines = [f"{bar.made:,} galaxies of {height} x {width} px, {bands} bands, {bar.rate:,.0f} per second{kept}"]
    status = manifest.get("status")
    if status:
        lines.append(f"catalogue:     {out / CATALOGUE} ({count - status.get('ok', 0):,} of {count:,} without a fit)")
    where = {"npy": "galaxies.npy"}.get(manifest["request"]["format"], manifest["request"]["format"])
    return [*lines, f"galaxies:      {out / where}", f"contact sheet: {out / CONTACT_SHEET}"]


if __name__ == "__main__":
    sys.exit(main())
