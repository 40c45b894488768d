"""The networks of the chain: the study's own second stage, or the one that was named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import FieldError, InputError
from gan.config import ModelConfig
from study.paper_figures.data import FigureUnavailable, Source, read_source
from study.results.find import study_folder
from study.tasks.generation.final_judge import FRESH_SEED
from study.tasks.generation.sampling import input_size

NEEDS_CHAIN = "needs the chain: name a Stage-II with --stage2, or take a study of one whose objective.stage1 is set"


@dataclass(frozen=True)
class Stage2:
    """An enlarger for the chain.

    Attributes
    ----------
    network : module
        On the CPU.
    model : ModelConfig
        Its settings.
    words : str
        Where it comes from, a sentence.
    source : Source or None
        Its study, when it was given as one.
    """

    network: Any
    model: ModelConfig
    words: str
    source: Source | None


def find_stage2(given: str, results: Path) -> Stage2:
    """Load a Stage-II.

    Parameters
    ----------
    given : str
        Name or folder of a study, a checkpoint, or a folder that holds one.
    results : Path
        Folder of all studies.

    Raises
    ------
    InputError
        If there is none, or it enlarges nothing.
    """
    from gan.training.checkpoint import CheckpointError, load_enlarger

    folder = study_folder(given, results)
    source = read_source(folder) if folder else None
    try:
        if source is None:
            path, words = _checkpoint_file(given), f"Stage-II: {Path(given).name}"
        elif input_size(source.study.model) is None:
            raise InputError(f"--stage2 {given}: a study of {source.study.model.family}, which enlarges nothing")
        else:
            path, epoch = source.checkpoint(source.leader)
            words = f"Stage-II: {source.describe_trial(source.leader, epoch)[:-1]}"
        network, model = load_enlarger(path)
    except (CheckpointError, FieldError) as error:
        raise InputError(f"--stage2: {error}") from None
    except FigureUnavailable as error:
        raise InputError(f"--stage2 {given}: {error}") from None
    return Stage2(network, model, f"{words}." if source else f"{words}, width {model.width}.", source)


def _checkpoint_file(given: str) -> Path:
    path = Path(given)
    if path.is_dir():
        path = next((p for p in (path / "best/checkpoint.pt", path / "checkpoint.pt") if p.is_file()), path)
    if not path.is_file():
        accepted = "expected a checkpoint file, the folder of a study"
        raise InputError(f"--stage2 {given!r}: no such study or file; {accepted}")
    return path


@dataclass(frozen=True)
class ReadyChain:
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
    """Return the Stage-II of the study itself, or the named one; raises `FigureUnavailable` without either."""
    from gan.training.checkpoint import CheckpointError, load_enlarger

    if input_size(source.study.model) is None:
        if stage2 is None:
            raise FigureUnavailable(
                "needs a Stage-II: name one with --stage2, or take a study of search_spaces/stackgan.yaml"
            )
        return stage2
    path, epoch = source.checkpoint(source.leader)
    try:
        network, model = load_enlarger(path)
    except CheckpointError as error:
        raise FigureUnavailable(str(error)) from None
    return Stage2(network, model, f"Stage-II: {source.describe_trial(source.leader, epoch)}", source)


def chain_of(source: Source, stage2: Stage2 | None) -> ReadyChain:
    """Return the study's DCGAN with the named Stage-II, or its Stage-II with the DCGAN that it was judged on.

    Raises
    ------
    FigureUnavailable
        If either is missing, or they do not fit.
    """
    from gan.models.chain import Chain
    from gan.training.checkpoint import CheckpointError, load_generator

    seed = source.leader.seed + FRESH_SEED
    if input_size(source.study.model) is not None:
        first = source.study.objective.stage1
        if first is None:
            raise FigureUnavailable(NEEDS_CHAIN)
        words, path = f"First stage: {first}.", Path(first)
    else:
        if stage2 is None:
            raise FigureUnavailable(NEEDS_CHAIN)
        path, epoch = source.checkpoint(source.leader)
        words = f"First stage: {source.describe_trial(source.leader, epoch)}"
    second = enlarger_of(source, stage2)
    try:
        generator, _ = load_generator(path)
        network = Chain(generator, second.network)
    except (CheckpointError, ValueError) as error:
        raise FigureUnavailable(str(error)) from None
    return ReadyChain(network.eval(), f"{words} {second.words}", seed)
