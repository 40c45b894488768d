"""`python -m study.figures STUDY`: the figures of Fussell & Moews (2019, MNRAS 485, 3203) from a study of one's own.

The paper's figures 2 to 9, as many as the study has the trials for, and a few that the paper lacks; `captions.md`
beside them says what each shows, and what the missing ones would take. Nothing in the study is changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.status import Status

from common.atomic import write_text
from common.command import run_command
from common.errors import EXIT_FAILED, EXIT_OK, InputError
from study.results.find import find_study

if TYPE_CHECKING:
    from study.paper_figures.data import Source
    from study.paper_figures.request import CaptionedFigure, FigureRequest

    Maker = Callable[[FigureRequest], CaptionedFigure]

FORMATS = ("png", "pdf", "svg")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    p = argparse.ArgumentParser(prog="python -m study.figures", description="The paper's figures from a study.")
    p.add_argument("study", metavar="STUDY", help="name of a study, or its folder")
    p.add_argument("--results", default="results", metavar="DIR", help="folder of all studies (default: results)")
    p.add_argument("--out", metavar="DIR", help="where the figures go (default: figures in the study's folder)")
    p.add_argument("--stage2", metavar="STUDY_OR_CHECKPOINT", help="enlarges the study's galaxies: the chain")
    p.add_argument(
        "-n", type=int, metavar="N", dest="count",
        help="galaxies to draw for the chain's histograms and, up to 2,000, for the closest match (default: as many as "
        "the study judged its best trials by)",
    )  # fmt: skip
    p.add_argument("--format", choices=FORMATS, default="png", help="of the files (default: png)")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code."""
    return run_command(parser(), arguments, _figures, interrupted="interrupted")


def _figures(options: argparse.Namespace) -> int:
    from study.paper_figures.chain import find_stage2
    from study.paper_figures.data import read_source
    from study.paper_figures.request import FigureRequest

    console = Console(highlight=False)
    if options.count is not None and options.count < 2:
        raise InputError(f"-n {options.count}: expected 2 or more")
    results = Path(options.results)
    folder = find_study(options.study, results)
    out = Path(options.out) if options.out else folder / "figures"
    source = read_source(folder)
    stage2 = find_stage2(options.stage2, results) if options.stage2 else None
    count = options.count or source.study.objective.final_samples or source.study.objective.samples
    _make_folder(out)
    with console.status("reading the study") as status:

        def progress(what: str, done: int, total: int) -> None:
            status.update(f"{what}: {done:,} of {total:,}")

        request = FigureRequest(source, stage2, count, progress)
        made, missing = _make_all(request, out, options.format, console, status)
    _write_captions(out, source.study.name, made, missing)
    if not made:
        console.print(f"{folder}: no figure can be made yet", markup=False, soft_wrap=True)
        return EXIT_FAILED
    console.print(f"\nFigures and captions.md: {out.resolve()}", markup=False, soft_wrap=True)
    return EXIT_OK


def catalogue_of_figures(source: Source) -> list[tuple[str, str, Maker]]:
    """Return name, file name and maker of every figure, the paper's first."""
    from study.paper_figures import grids
    from study.paper_figures import measurements as shapes

    ablations: list[tuple[str, str, Maker]] = [
        (f"ablation: {axis}", f"ablation_{axis.rpartition('.')[2]}", partial(grids.ablation_axis, axis=axis))
        for axis in grids.ablation_axes(source)
    ]
    paper_has = source.study.data.image_size == 64 or source.study.objective.stage1 is not None
    own = [] if paper_has else [("histograms", "histograms", shapes.study_histograms)]
    return [
        ("figure 2", "figure_2_kernel_size", grids.kernel_size),
        ("figure 3", "figure_3_dropout", grids.dropout_placement),
        ("figure 4", "figure_4_dcgan_128", grids.high_resolution),
        ("figure 5", "figure_5_enlarged", grids.enlarged),
        ("figure 6", "figure_6_chain", grids.chain_samples),
        ("figure 7", "figure_7_closest_match", shapes.closest_match),
        ("nearest distances", "figure_7_distances", shapes.nearest_distances),
        ("figure 8", "figure_8_histograms_64", shapes.sixty_four),
        ("figure 9", "figure_9_histograms_chain", shapes.chain_histograms),
        *own,
        ("real and generated", "real_and_generated", grids.real_and_generated),
        ("training", "training_progress", grids.training_progress),
        ("losses", "training_losses", grids.training_losses),
        *ablations,
    ]


def _make_all(
    request: FigureRequest, out: Path, kind: str, console: Console, status: Status
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    """Make what can be made; return (name, file, caption) of those and (name, reason) of the others."""
    from study.paper_figures.data import FigureUnavailable
    from study.paper_figures.style import write_figure

    made, missing = [], []
    for name, stem, maker in catalogue_of_figures(request.source):
        status.update(name)
        path = out / f"{stem}.{kind}"
        try:
            result = maker(request)
        except FigureUnavailable as reason:
            missing.append((name, str(reason)))
            console.print(f"{name:18} not made: {reason}", markup=False, soft_wrap=True)
            continue
        try:
            write_figure(result.figure, result.caption, path)
        except OSError as error:
            raise InputError(f"--out {out}: {error.strerror or error}") from None
        made.append((name, path.name, result.caption))
        console.print(f"{name:18} {path.name}", markup=False, soft_wrap=True)
    return made, missing


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: expected a folder that can be made ({error.strerror or error})") from None


def _write_captions(out: Path, study: str, made: list[tuple[str, str, str]], missing: list[tuple[str, str]]) -> None:
    lines = [f"# Figures of {study}", ""]
    for name, file, caption in made:
        lines += [f"## {name[0].upper()}{name[1:]}", "", f"![{name}]({file})", "", caption, ""]
    if missing:
        lines += ["## Not made", "", *(f"- {name}: {reason}" for name, reason in missing), ""]
    write_text(out / "captions.md", "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
