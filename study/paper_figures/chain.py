"""The networks of the chain: the study's own second stage, or the one that was named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study.paper_figures.data import CannotMake, Source, Stage2
from study.search.finalists import FRESH_SEED
from study.tasks.generation.sampling import input_size

NEEDS_CHAIN = "needs the chain: name a Stage-II with --stage2, or take a study of one whose objective.stage1 is set"


@dataclass(frozen=True)
class ChainOf:
    """A chain ready to draw.

    Attributes
    ----------
    network : gan.models.chain.Chain
        On the CPU, or wherever it is moved to.
    words : str
        Both stages, in sentences.
    seed : int
        Of the galaxies: one that chose no checkpoint.
    """

    network: Any
    words: str
    seed: int


def enlarger_of(source: Source, stage2: Stage2 | None) -> Stage2:
    """The Stage-II of the study itself, or the named one."""
    from gan.training.checkpoint import CheckpointError, load_enlarger

    if input_size(source.study.model) is None:
        if stage2 is None:
            raise CannotMake("needs a Stage-II: name one with --stage2, or take a study of search_spaces/stackgan.yaml")
        return stage2
    path, epoch = source.checkpoint(source.leader)
    try:
        network, model = load_enlarger(path)
    except CheckpointError as error:
        raise CannotMake(str(error)) from None
    return Stage2(network, model, f"Stage-II: {source.describe_trial(source.leader, epoch)}", source)


def chain_of(source: Source, stage2: Stage2 | None) -> ChainOf:
    """The study's DCGAN and the named Stage-II, or the study's Stage-II and the DCGAN that it was judged on."""
    from gan.models.chain import Chain
    from gan.training.checkpoint import CheckpointError, load_generator

    seed = source.leader.seed + FRESH_SEED
    if input_size(source.study.model) is not None:
        first = source.study.objective.stage1
        if first is None:
            raise CannotMake(NEEDS_CHAIN)
        words, path = f"First stage: {first}.", Path(first)
    else:
        if stage2 is None:
            raise CannotMake(NEEDS_CHAIN)
        path, epoch = source.checkpoint(source.leader)
        words = f"First stage: {source.describe_trial(source.leader, epoch)}"
    second = enlarger_of(source, stage2)
    try:
        generator, _ = load_generator(path)
        network = Chain(generator, second.network)
    except (CheckpointError, ValueError) as error:
        raise CannotMake(str(error)) from None
    return ChainOf(network.eval(), f"{words} {second.words}", seed)
