"""The figures of measurements: the paper's figures 7 (closest match), 8 and 9 (histograms of the four properties)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from study.paper_figures.chain import NEEDS_CHAIN, Stage2, chain_of
from study.paper_figures.data import FigureUnavailable, Source
from study.paper_figures.request import CaptionedFigure, FigureRequest
from study.storage.trial_files import TrialFiles
from study.tasks.generation.final_judge import FRESH_SEED, MEMORISATION_IMAGES
from study.tasks.generation.sampling import Sampling, input_size

BLOCK = 500
"""Galaxies in memory at once."""


def closest_match(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 7, and below it the closest of all matches."""
    from eval.plots.nearest import match_figure
    from eval.statistics.nearest import nearest

    generated, training, words = _to_match(request)
    found = nearest(generated, training, crop=1.0, progress=lambda done, all_: request.progress("matching", done, all_))
    title = f"{len(generated):,} generated galaxies and the nearest of {len(training):,} in training"
    figure = match_figure(generated, training, found, crop=1.0, title=title)
    caption = (
        f"As figure 7 of Fussell & Moews (2019): generated galaxies, the training galaxy nearest to each in L1 over "
        f"all four flips, and their absolute difference; numbers are mean absolute differences per value. Above at "
        f"random as in the paper, below the closest of n = {len(generated):,}. Shown is what was compared, the middle "
        f"half of each side. {words}"
    )
    return CaptionedFigure(figure, caption)


def nearest_distances(request: FigureRequest) -> CaptionedFigure:
    """Distances to the nearest training galaxy, of generated and of held-out real galaxies."""
    from eval.plots.nearest import distance_figure
    from eval.statistics.memorisation import memorisation
    from eval.statistics.nearest import centre

    source = request.source
    if not source.split.held_out:
        raise FigureUnavailable("needs galaxies that were held out of training: a study of a larger set")
    generated, training, words = _to_match(request)
    size = source.study.data.image_size
    held_out = centre(source.galaxy_set.images(size))[source.split.reference]
    figures, closest, other = memorisation(
        generated, training, held_out, crop=1.0, progress=lambda done, all_: request.progress("matching", done, all_)
    )
    caption = (
        f"Beside figure 7: distances (L1, middle half of each side, four flips) to the nearest of "
        f"{len(training):,} training galaxies, of {len(generated):,} generated and {len(held_out):,} held-out real "
        f"galaxies. A generator that copies lies to the left of the grey. {words}"
    )
    return CaptionedFigure(distance_figure(closest, other, figures), caption)


def _to_match(request: FigureRequest) -> tuple[np.ndarray, np.ndarray, str]:
    """Middles of generated and of training galaxies, and what they are."""
    from eval.statistics.nearest import centre
    from gan.training.checkpoint import CheckpointError, load_enlarger, load_generator

    source = request.source
    leader = source.leader
    model, _ = source.configured(leader)
    stage1 = source.study.objective.stage1
    if input_size(model) is not None and stage1 is None:
        raise FigureUnavailable(
            "needs galaxies from noise: this study enlarges real ones, whose nearest are themselves"
        )
    real = centre(source.galaxy_set.images(model.image_size))[source.split.train]
    path, epoch = source.checkpoint(leader)
    files = TrialFiles.of_study(source.folder, source.galaxy_set.path, stage1=Path(stage1) if stage1 else None)
    try:
        generator, _ = (load_generator if input_size(model) is None else load_enlarger)(path)
        n = min(request.n, MEMORISATION_IMAGES)
        images = Sampling(files, model).sample(generator, n, seed=leader.seed + FRESH_SEED)
    except (CheckpointError, ValueError) as error:
        raise FigureUnavailable(str(error)) from None
    return centre(images), real, f"{source.describe_trial(leader, epoch)} {source.describe_data()}"


def study_histograms(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 8 (64 px) or 9 (the chain), from the catalogues that the study measured."""
    from eval.catalogue import read_catalogue
    from eval.distances import compare

    source = request.source
    leader = source.leader
    evaluation, folder = source.judged(leader)
    try:
        real = read_catalogue(source.folder / "reference.parquet")
        generated = read_catalogue(folder / "generated.parquet")
    except (OSError, ValueError) as error:
        raise FigureUnavailable(f"a catalogue of the study cannot be read ({error})") from None
    size = source.study.data.image_size
    number = "8" if input_size(source.study.model) is None else "9"
    family = {"dcgan": "DCGAN", "stackgan": "chain"}.get(source.study.model.family)
    if source.enlarges_real:
        family = "enlarged"
    what = f"{family or source.study.model.family}, {size} px"
    fresh = "Fresh galaxies, which did not choose the checkpoint." if leader.final else "The galaxies of the search."
    words = f"{source.describe_trial(leader, evaluation['epoch'])} {fresh} {source.describe_data()}"
    return _histograms(real, generated, compare(real, generated), what=what, number=number, words=words)


def chain_histograms(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 9: the chain, drawn and measured now unless the study itself judged a chain."""
    from eval.distances import compare
    from eval.measure import measure
    from gan.sample import sample

    source = request.source
    if input_size(source.study.model) is not None:
        if source.study.objective.stage1 is None:
            raise FigureUnavailable(NEEDS_CHAIN)
        return study_histograms(request)
    chain = chain_of(source, request.stage2)
    side = chain.network.image_size
    assert request.stage2 is not None
    real_images, of_real = _reference_at(source, request.stage2, side)
    engine = source.study.objective.engine
    parts = []
    for start in range(0, request.n, BLOCK):
        count = min(BLOCK, request.n - start)
        parts.append(measure(sample(chain.network, count, seed=chain.seed, start=start), engine=engine))
        request.progress("drawing and measuring the chain", start + count, request.n)
    generated = _joined(parts)
    real = measure(real_images, engine=engine, progress=lambda done, all_: request.progress("measuring", done, all_))
    words = f"{chain.words} {of_real}"
    what = f"chain, {side} px"
    return _histograms(real, generated, compare(real, generated), what=what, number="9", words=words)


def _joined(parts: list[Any]) -> Any:
    import pandas as pd

    whole = pd.concat(parts, ignore_index=True)
    whole.attrs = parts[0].attrs
    return whole


def _reference_at(source: Source, stage2: Stage2, side: int) -> tuple[np.ndarray, str]:
    """Real galaxies of the chain's size that neither stage has seen, as far as that is known."""
    other = stage2.source
    if source.has_sizes(side):
        rows, note = source.split.reference, "held out of the first stage's training"
        if other is not None and other.study.data.set == source.study.data.set and other.split.held_out:
            both = np.intersect1d(rows, other.split.reference)
            if len(both):
                rows, note = both, "held out of the training of both stages"
        if not source.split.held_out:
            note = "trained on as well, for the set is small"
        return source.galaxy_set.images(side)[rows], f"{source.describe_data()} Reference at {side} px: {note}."
    if other is not None and other.has_sizes(side):
        note = "held out of the second stage's training" if other.split.held_out else "the second stage trained on them"
        return other.real(side), f"{source.describe_data()} Reference at {side} px: that of {other.study.name}, {note}."
    raise FigureUnavailable(f"needs a galaxy set with {side} px images: prepare it with --sizes 64 128")


def _histograms(real: Any, generated: Any, comparison: Any, *, what: str, number: str, words: str) -> CaptionedFigure:
    from eval.plots.distributions import histogram_figure

    failed = ", ".join(f"{comparison.failed[side]:.1%} of the {side}" for side in ("real", "generated"))
    caption = (
        f"As figure {number} of Fussell & Moews (2019): shapes of n = {comparison.n_generated:,} generated (blue line) "
        f"and {comparison.n_real:,} real galaxies (grey). Without a fit: {failed}; they stand at the left of each "
        f"panel and count in KS. Floor: what two samples of real galaxies of these sizes give, mean and 95% point; a "
        f"KS above that is set in vermillion. {words}"
    )
    figure = histogram_figure(real, generated, comparison, title=f"Shapes of galaxies: {what}")
    return CaptionedFigure(figure, caption)


def sixty_four(request: FigureRequest) -> CaptionedFigure:
    """F&M fig. 8: only of a generator of 64 px galaxies."""
    if request.source.study.data.image_size != 64:
        raise FigureUnavailable("needs a study of a DCGAN at 64 px: search_spaces/dcgan64.yaml")
    return study_histograms(request)
