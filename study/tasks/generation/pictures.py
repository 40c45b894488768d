"""Figures of an evaluation, drawn from the files that it wrote."""

from __future__ import annotations

import json
from pathlib import Path

from study.config.study import Study


def draw_histograms(folder: Path, study: Study) -> Path | None:
    """Draw `histograms.png` (real and generated properties, with floor) into an evaluation's folder.

    Parameters
    ----------
    folder : Path
        With `generated.parquet` and `evaluation.json`; the reference catalogue is `reference.parquet` of the study.

    Returns
    -------
    Path or None
        None for a diverged trial, which has nothing to draw.
    """
    from common.atomic import atomically
    from eval.catalogue import read_catalogue
    from eval.distances import compare
    from eval.plots.distributions import histogram_figure

    target = folder / "histograms.png"
    if target.exists() or not (folder / "generated.parquet").exists():
        return target if target.exists() else None
    facts = json.loads((folder / "evaluation.json").read_text())
    study_folder = next(parent for parent in folder.parents if (parent / "reference.parquet").exists())
    real = read_catalogue(study_folder / "reference.parquet")
    generated = read_catalogue(folder / "generated.parquet")
    comparison = compare(real, generated)
    title = f"{study.name}, trial {facts['trial']}, epoch {facts['epoch']}"
    figure = histogram_figure(real, generated, comparison, title=title)
    atomically(target, lambda path: figure.savefig(path, format="png", dpi=110))
    return target
