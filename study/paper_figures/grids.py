"""The grids of galaxies: the paper's figures 2 to 6, the rest of the ablation, real beside generated, training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.config.search_space import shown, shown_point
from study.paper_figures.chain import chain_of, enlarger_of
from study.paper_figures.data import FigureUnavailable, Source, drawn, losses, one_factor, sheet_path, tiles
from study.paper_figures.request import CaptionedFigure, FigureRequest
from study.paper_figures.style import BLUE, CYCLE, GREEN, ORANGE, PURPLE, VERMILLION, Row, Run, grid_figure, loss_figure
from study.results.trials import TrialRow
from study.tasks.generation.sampling import input_size

COLUMNS = 8
PROGRESS_ROWS = 6
RANDOM = "Galaxies are not chosen: they are the first of the trial's seed, and reference ones are random."


def _real(source: Source, *, seed: int = 0, size: int | None = None) -> Row:
    return Row(source.name_of_real, source.real_sample(COLUMNS, size=size, seed=seed), GREEN)


def real_and_generated(request: FigureRequest) -> CaptionedFigure:
    """Two rows of the best trial's galaxies above two rows of real ones."""
    source = request.source
    leader = source.leader
    evaluation, folder = source.judged(leader)
    size = source.study.data.image_size
    count = min(2 * COLUMNS, int(evaluation.get("samples", source.study.objective.samples)))
    sheet = folder / "samples.png"
    images = tiles(sheet, size, count)
    real = source.real_sample(2 * COLUMNS)
    rows = [Row("generated", images[:COLUMNS], BLUE)]
    rows += [Row("generated", images[COLUMNS:], BLUE)] * (len(images) > COLUMNS)
    rows += [Row(source.name_of_real, part, GREEN) for part in (real[:COLUMNS], real[COLUMNS:])]
    caption = (
        f"Generated (blue) and real galaxies (green), {len(images)} and {len(real)}. "
        f"{source.describe_trial(leader, evaluation['epoch'])} {source.describe_data()} {RANDOM}"
    )
    return CaptionedFigure(grid_figure(rows, title=f"Real and generated galaxies, {size} px"), caption)


def training_progress(request: FigureRequest) -> CaptionedFigure:
    """The same noise at epochs from the first evaluation to the last."""
    source = request.source
    leader = source.leader
    epochs = [e["epoch"] for e in leader.evaluations if sheet_path(leader, e["epoch"]).exists()]
    if len(epochs) < 2:
        raise FigureUnavailable(
            f"trial {leader.name} has one evaluation; it takes a study whose trials have two or more"
        )
    chosen = sorted({epochs[round(i)] for i in np.linspace(0, len(epochs) - 1, PROGRESS_ROWS)})
    size, count = source.study.data.image_size, min(COLUMNS, source.study.objective.samples)
    rows = [Row(f"epoch {epoch}", tiles(sheet_path(leader, epoch), size, count), BLUE) for epoch in chosen]
    where = "real galaxies enlarged" if source.enlarges_real else "a column is one noise vector throughout"
    caption = (
        f"Training: galaxies of one trial at epochs {', '.join(map(str, chosen))} (blue; {where}) and real ones "
        f"(green). {source.describe_trial(leader, epochs[-1])} {source.describe_data()} {RANDOM}"
    )
    return CaptionedFigure(grid_figure([*rows, _real(source)], title=f"Training, {size} px"), caption)


def training_losses(request: FigureRequest) -> CaptionedFigure:
    """Losses of the best trial, or of the best with and the best without dropout."""
    source = request.source
    leader = source.leader
    kinds: dict[bool, TrialRow] = {}
    for row in source.rows:
        kinds.setdefault(source.configured(row)[1].dropout.placement != "none", row)
    runs, words = [], []
    for row in (kinds[False], kinds[True]) if len(kinds) == 2 else (leader,):
        _, train = source.configured(row)
        with_dropout = train.dropout.placement != "none"
        label = f"trial {row.name}, {f'dropout: {train.dropout.placement}' if with_dropout else 'no dropout'}"
        marks = [(train.dropout.onset_epoch, "dropout on")] if with_dropout and train.dropout.onset_epoch else []
        marks += [(train.dropout.end_epoch, "dropout off")] if with_dropout and train.dropout.end_epoch else []
        runs.append(Run(label, losses(source, row), [m for m in marks if m[0] < train.epochs]))
        words.append(source.describe_trial(row, row.epochs))
    adversarial_only = input_size(source.study.model) is None
    of_generator = "is -log D(G(z))" if adversarial_only else "the weighted sum of its two terms (eq. 3)"
    which = "the best trial without and the best with dropout" if len(kinds) == 2 else "the best trial"
    caption = (
        f"Losses of {which}, means over an epoch: the discriminator's is the sum over real and generated images, the "
        f"generator's {of_generator}. {' '.join(words)} {source.describe_data()}"
    )
    return CaptionedFigure(loss_figure(runs, title="Losses of the two networks"), caption)


def kernel_size(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 2."""
    found = one_factor(request.source, "model.kernel_size", (4, 6))
    if not {4, 6} <= set(found):
        raise FigureUnavailable(
            "needs trials with model.kernel_size 4 and 6 that differ in nothing else: an ablation has them"
        )
    rows = [("K = 6", found[6], VERMILLION), ("K = 4", found[4], BLUE)]
    return _trials(request.source, rows, title="Kernel size of the strided convolutions", figure="2")


def dropout_placement(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 3, with the baseline and real galaxies beside it."""
    wanted = ("generator", "discriminator", "both")
    found = one_factor(request.source, "train.dropout.placement", wanted)
    if not set(wanted) <= set(found):
        raise FigureUnavailable(
            "needs trials with train.dropout.placement generator, discriminator and both that differ in nothing else: "
            "an ablation has them"
        )
    labels = ("dropout in the\ngenerator", "dropout in the\ndiscriminator", "dropout in both")
    rows = [(label, found[key], color) for label, key, color in zip(labels, wanted, CYCLE[:3], strict=True)]
    if "none" in found:
        rows.append(("no dropout", found["none"], ORANGE))
    return _trials(request.source, rows, title="Placement of dropout", figure="3")


def high_resolution(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 4: a DCGAN straight to 128 px, with dropout to the end and with dropout removed."""
    source = request.source
    if source.study.data.image_size != 128 or input_size(source.study.model) is not None:
        raise FigureUnavailable("needs a study of a DCGAN at 128 px with dropout: search_spaces/dcgan128.yaml")
    kept, removed = None, None
    for row in source.rows:
        dropout = source.configured(row)[1].dropout
        ends = dropout.end_epoch is not None and dropout.end_epoch < row.epochs
        if dropout.placement == "none":
            continue
        if ends:
            removed = removed or row
        elif (dropout.onset_epoch or 0) < row.epochs:
            kept = kept or row
    rows = []
    for trial, name, color in ((kept, "dropout to the end", VERMILLION), (removed, "dropout removed", BLUE)):
        if trial is None:
            continue
        model, train = source.configured(trial)
        after = f"\nafter epoch {train.dropout.end_epoch}" if trial is removed else ""
        rows.append((f"{name}{after}\nD width {model.effective_discriminator_width}", trial, color))
    if not rows:
        raise FigureUnavailable(
            "needs trials that trained with dropout: search_spaces/dcgan128.yaml and its preset appendix_c"
        )
    lacking = (
        "" if len(rows) == 2 else f"No trial of this study has {'ended' if removed is None else 'kept'} its dropout."
    )
    return _trials(source, rows, title="DCGAN at 128 px", figure="4", more=lacking)


def _trials(
    source: Source, trials: Sequence[tuple[str, TrialRow, str]], *, title: str, figure: str | None, more: str = ""
) -> CaptionedFigure:
    """One row for each trial, by its last evaluation, and one of real galaxies."""
    rows, words = [], []
    for label, row, color in trials:
        images, epoch = drawn(source, row, COLUMNS)
        rows.append(Row(label, images, color))
        name = " ".join(label.split())
        words.append(f"{name[0].upper()}{name[1:]}: {source.describe_trial(row, epoch, study=False)}")
    rows.append(_real(source))
    as_in = f"As figure {figure} of Fussell & Moews (2019). " if figure else ""
    said = f"{more} " if more else ""
    caption = (
        f"{as_in}{len(rows[0].images)} galaxies a row. {source.describe_study()}. {' '.join(words)} {said}"
        f"Last row (green): {source.name_of_real}. "
        f"{source.describe_data()} {RANDOM}"
    )
    return CaptionedFigure(grid_figure(rows, title=title), caption)


def ablation_axes(source: Source) -> list[str]:
    """Axes of an ablation that the paper has no figure of."""
    if source.study.search.sampler != "ablation":
        return []
    known = ("model.kernel_size", "train.dropout.placement")
    return [axis.name for axis in source.study.axes if axis.name not in known]


def ablation_axis(request: FigureRequest, axis: str) -> CaptionedFigure:
    """All levels of one axis of an ablation, and the baseline, of one seed."""
    source = request.source
    levels: dict[str, TrialRow] = {}
    seeds = sorted({row.seed for row in source.rows if row.role == axis})
    baselines = {row.seed: row for row in source.rows if row.role == "baseline"}
    seed = next((s for s in seeds if s in baselines), None)
    if seed is None:
        raise FigureUnavailable(f"no trial of {axis} and no baseline of its seed have drawn galaxies yet")
    for row in sorted(source.rows, key=lambda r: r.name):
        if row.role == axis and row.seed == seed:
            levels.setdefault(shown_point(row.point), row)
    paths = list(dict.fromkeys(path for row in levels.values() for path in row.point))
    own = ", ".join(f"{path.rpartition('.')[2]} = {shown(source.study.value(path))}" for path in paths)
    trials = [(_broken(own) + "\n(baseline)", baselines[seed], BLUE)]
    colors = [color for color in CYCLE if color != BLUE]
    trials += [(_broken(text), row, colors[i % len(colors)]) for i, (text, row) in enumerate(levels.items())]
    title = f"Ablation: {axis.rpartition('.')[2].replace('_', ' ')}"
    return _trials(source, trials, title=title, figure=None, more=f"Seed {seed} for all.")


def _broken(text: str) -> str:
    """A point as a label of a few short lines: its names without their folders."""
    parts = [part.strip() for piece in text.split(",") for part in piece.split(" ") if part.strip()]
    joined = " ".join(parts).replace(" = ", "=")
    names = [name.replace("_", " ").replace("=", " = ") for name in joined.split(" ")]
    return "\n".join(names)


def enlarged(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 5: real galaxies at both sizes, enlarged by interpolation and by Stage-II."""
    from PIL import Image

    from gan.sample import enlarge

    stage2 = enlarger_of(request.source, request.stage2)
    small_side, side = input_size(stage2.model), stage2.model.image_size
    source = request.source if request.source.has_sizes(small_side, side) else stage2.source
    if source is None or not source.has_sizes(small_side, side):
        raise FigureUnavailable(f"needs a galaxy set with {small_side} px and {side} px images of the same galaxies")
    small, large = (source.real_sample(COLUMNS, size=size) for size in (small_side, side))
    bicubic = np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BICUBIC)) for i in small])
    rows = [
        Row(f"{source.name_of_real},\n{small_side} px", small, VERMILLION),
        Row(f"{source.name_of_real},\n{side} px", large, BLUE),
        Row(f"{small_side} px enlarged,\nbicubic", bicubic, GREEN),
        Row(f"{small_side} px enlarged,\nStage-II", enlarge(stage2.network, small), PURPLE),
    ]
    caption = (
        f"As figure 5 of Fussell & Moews (2019), rows for its columns: {COLUMNS} real galaxies at {small_side} px "
        f"(vermillion) and at {side} px (blue), the {small_side} px ones enlarged by bicubic interpolation (green) and "
        f"by Stage-II (purple). {stage2.words} {source.describe_data()} Galaxies of the reference, taken at random."
    )
    return CaptionedFigure(grid_figure(rows, title=f"Real galaxies enlarged from {small_side} to {side} px"), caption)


def chain_samples(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 6, each galaxy with the small one that it was enlarged from."""
    from gan.sample import sample

    chain = chain_of(request.source, request.stage2)
    count = 2 * COLUMNS
    small, large = (sample(net, count, seed=chain.seed) for net in (chain.network.stage1, chain.network))
    low, high = small.shape[1], large.shape[1]
    rows = []
    for start in (0, COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [Row(f"DCGAN, {low} px", small[part], ORANGE), Row(f"Stage-II, {high} px", large[part], BLUE)]
    caption = (
        f"As figure 6 of Fussell & Moews (2019), but galaxies are not chosen: the first {count} of seed {chain.seed}, "
        f"at {low} px by the DCGAN (orange) and below each the same galaxy at {high} px by Stage-II (blue). "
        f"{chain.words} {request.source.describe_data()}"
    )
    return CaptionedFigure(grid_figure(rows, title=f"Galaxies of the chain, {low} to {high} px"), caption)
