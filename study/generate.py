"""`python -m study.generate --model M -n N --out DIR`: galaxies from a trained model, with a catalogue of their shapes.

A generation that was interrupted, or killed, goes on where it was and ends with the same files.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from common.command import explain_resources, repeat, run_command
from common.errors import EXIT_OK, InputError
from common.progress import ProgressBar
from study.generation.folder import CATALOGUE, CONTACT_SHEET
from study.generation.generate import generate
from study.generation.writers import FORMATS
from study.results.models import load_model


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
    formats = ", ".join(f"{name}: {writer.help}" for name, writer in FORMATS.items())
    p.add_argument("--format", choices=FORMATS, default="png", help=f"{formats} (default: png)")
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
    this = parser()
    return run_command(
        this,
        arguments,
        _run,
        interrupted="interrupted; what is done is kept. To go on:",
        go_on=repeat(this),
        explain=explain_resources("a smaller --batch-size needs less memory"),
    )


def _check(options: argparse.Namespace) -> None:
    if not 1 <= options.count <= 10**9:
        raise InputError(f"-n {options.count}: expected 1 to 1,000,000,000")
    if not 0 <= options.seed < 2**63:
        raise InputError(f"--seed {options.seed}: expected 0 to 2**63 - 1")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: expected 1 or more")


def _run(options: argparse.Namespace) -> int:
    _check(options)
    console, out = Console(highlight=False), Path(options.out)
    with console.status("loading the model"):
        model = load_model(options.model, options.enlarge, tracking_uri=options.tracking_uri)
    with ProgressBar(console, unit="galaxies") as bar:
        manifest = generate(
            model, out, count=options.count, kind=options.format, seed=options.seed, catalogue=options.catalogue,
            turn=options.augment, batch_size=options.batch_size, device=options.device,
            progress=functools.partial(bar.update, "galaxies"),
        )  # fmt: skip
    for line in _summary(manifest, out, bar.made, bar.rate):
        console.print(line, markup=False, soft_wrap=True)
    return EXIT_OK


def _summary(manifest: dict[str, Any], out: Path, made: int, rate: float) -> list[str]:
    request = manifest["request"]
    count, (height, width, bands) = request["count"], request["galaxy"]
    if made == 0:
        lines = [f"{out}: all {count:,} galaxies are there already; nothing to do"]
    else:
        kept = f" ({count - made:,} were there)" if made < count else ""
        lines = [f"{made:,} galaxies of {height} x {width} px, {bands} bands, {rate:,.0f} per second{kept}"]
    status = manifest.get("status")
    if status:
        lines.append(f"catalogue:     {out / CATALOGUE} ({count - status.get('ok', 0):,} of {count:,} without a fit)")
    galaxies = out / FORMATS[request["format"]].place
    return [*lines, f"galaxies:      {galaxies}", f"contact sheet: {out / CONTACT_SHEET}"]


if __name__ == "__main__":
    sys.exit(main())
