"""`python -m study.enhance --model M INPUT --out DIR`: images through a trained enhancer, whatever their size.

INPUT is an image, a FITS file or a folder of both. Each result stands under the name of its input, written whole or
not at all, and carries the key of what made it (input, model, settings): the same command, given again, makes only
what is missing. Files that cannot be used are refused one by one.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from rich.console import Console

from common.command import explain_resources, repeat, run_command
from common.errors import EXIT_FAILED, EXIT_OK, FieldError, InputError
from common.progress import ProgressBar
from study.enhancing.files import MANIFEST, Enhancer, Outcome, Settings, enhance_files, is_fits_name, plan

LARGEST_TILE = 4096


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m study.enhance", description="Turn shallow images into what a deeper survey would have seen."
    )
    p.add_argument("input", metavar="INPUT", help="an image, a FITS file, or a folder of them (searched recursively)")
    p.add_argument(
        "--model", required=True, metavar="M", help="checkpoint file, study folder, runs:/ID or models:/NAME/VERSION"
    )
    p.add_argument("--out", required=True, metavar="DIR", help="folder of the results; given again, it goes on")
    p.add_argument("--tile", type=int, default=224, metavar="PX", help="larger images are cut into tiles (default 224)")
    p.add_argument("--overlap", type=int, default=32, metavar="PX", help="of neighbouring tiles, blended (default 32)")
    p.add_argument("--batch-size", type=int, default=8, metavar="B", help="tiles on the device at once (default 8)")
    p.add_argument("--device", help="cpu, cuda or cuda:NUMBER (default: a GPU if there is one)")
    p.add_argument("--tracking-uri", metavar="URI", help="MLflow store of runs:/ and models:/")
    p.add_argument("--max-pixels", type=int, default=50_000_000, metavar="N", help="refuse larger pictures")
    cubes = p.add_argument_group("FITS files", "values are stretched to colours, enhanced, and stretched back")
    cubes.add_argument("--bands", type=int, nargs="+", metavar="I", help="planes shown as red, green, blue (2 1 0)")
    cubes.add_argument("--stretch", type=float, default=0.1, help="softening of Lupton's stretch, in the file's unit")
    cubes.add_argument("--q", type=float, default=8.0, help="contrast of Lupton's stretch")
    cubes.add_argument("--minimum", type=float, default=0.0, help="black, in the file's unit")
    cubes.add_argument(
        "--linear", type=float, nargs=2, metavar=("LOW", "HIGH"), help="a linear stretch instead: black and white"
    )
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
        explain=explain_resources("a smaller --batch-size or --tile needs less memory"),
    )


def _run(options: argparse.Namespace) -> int:
    from study.results.models import load_enhancer_model

    _check(options)
    console, out = Console(highlight=False), Path(options.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: a file; expected a folder")
    planned = plan(Path(options.input), out)
    with console.status("loading the model"):
        network, origin = load_enhancer_model(options.model, tracking_uri=options.tracking_uri)
    enhancer = Enhancer(network, origin, _settings(options, int(origin["config"]["channels"])))
    with ProgressBar(console) as bar:
        bar.update("images", 0, len(planned))
        outcome = enhance_files(enhancer, planned, out, progress=functools.partial(bar.update, "images"))
    for line in _summary(outcome, enhancer, out, planned):
        console.print(line, markup=False, soft_wrap=True)
    return EXIT_OK if outcome.made or outcome.kept else EXIT_FAILED


def _check(options: argparse.Namespace) -> None:
    if not 16 <= options.tile <= LARGEST_TILE:
        raise InputError(f"--tile {options.tile}: expected 16 to {LARGEST_TILE}")
    if not 0 <= options.overlap <= options.tile // 2:
        raise InputError(f"--overlap {options.overlap}: expected 0 to {options.tile // 2}, half of the tile")
    if options.batch_size < 1:
        raise InputError(f"--batch-size {options.batch_size}: expected 1 or more")
    if options.max_pixels < 64:
        raise InputError(f"--max-pixels {options.max_pixels}: expected 64 or more")


def _settings(options: argparse.Namespace, channels: int) -> Settings:
    from gan.enhance.apply.stretch import LinearStretch, LuptonStretch, Stretch
    from study.enhancing.fits_images import default_bands
    from study.results.models import choose_device

    bands = tuple(options.bands or default_bands(channels))
    if len(bands) != channels or min(bands) < 0 or len(set(bands)) != len(bands):
        shown = " ".join(map(str, bands))
        raise InputError(f"--bands {shown}: expected {channels} different planes, as many as the network takes")
    stretch: Stretch
    try:
        if options.linear:
            stretch = LinearStretch(low=options.linear[0], high=options.linear[1])
        else:
            stretch = LuptonStretch(stretch=options.stretch, q=options.q, minimum=options.minimum)
    except FieldError as error:
        option = f"--linear: {error.field}" if options.linear else f"--{error.field}"
        raise InputError(f"{option} = {error.value!r}: expected {error.accepted}") from None
    return Settings(
        tile=options.tile, overlap=options.overlap, batch_size=options.batch_size, bands=bands, stretch=stretch,
        device=choose_device(options.device), max_pixels=options.max_pixels,
    )  # fmt: skip


def _summary(outcome: Outcome, enhancer: Enhancer, out: Path, planned: dict[str, tuple[Path, Path]]) -> list[str]:
    done = len(outcome.made) + len(outcome.kept)
    kept = f" ({len(outcome.kept):,} were there)" if outcome.kept else ""
    larger = f", {enhancer.scale} times as large" if enhancer.scale > 1 else ""
    lines = [f"{done:,} of {len(planned):,} images enhanced{larger}{kept}: {out}"]
    if any(is_fits_name(name) for name in [*outcome.made, *outcome.kept]):
        stretch = enhancer.settings.stretch
        lines.append(
            f"FITS values: {stretch} there and back; white at {stretch.white:.4g} above black; bytes as they are; "
            "coordinates kept" + (", sums over the same sky kept" if enhancer.scale > 1 else "")
        )
    lines += [f"refused: {name}: {reason} ({detail})" for name, (reason, detail) in list(outcome.refused.items())[:20]]
    if len(outcome.refused) > 20:
        lines.append(f"... and {len(outcome.refused) - 20:,} more, all in {out / MANIFEST}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
