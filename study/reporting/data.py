"""Everything a report shows, read from a study's folder without changing anything in it."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import InputError
from study.config import Study, load_study
from study.config.families import GalaxyStudy
from study.reporting.optuna_history import importances, reasons
from study.results.ablation import Level, ablation
from study.results.history import Split, judged, open_database, read_json, read_split
from study.results.trials import TrialRow, collect, varying

if TYPE_CHECKING:
    import pandas as pd

    from eval.distances import Comparison

GRID_IMAGES = 64


@dataclass(frozen=True)
class Judged:
    """A trial's best checkpoint compared with the reference.

    Attributes
    ----------
    row : TrialRow
        The trial.
    epoch : int
        Of the checkpoint.
    final : bool
        Fresh galaxies, which did not choose the checkpoint.
    comparison : Comparison
        All distances, with their floors.
    metrics : dict of str to float
        Of the evaluation, with floors (`eval.metrics`).
    folder : Path
        With `samples.png`.
    catalogue : DataFrame
        Of the generated galaxies.
    """

    row: TrialRow
    epoch: int
    final: bool
    comparison: Comparison
    metrics: dict[str, float]
    folder: Path
    catalogue: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class ReportData:
    """What is known of a study.

    Attributes
    ----------
    study : GalaxyStudy
        As it was run.
    folder : Path
        Its folder.
    status : str
        `finished`, `running` or `interrupted`.
    seconds : float or None
        From begin to end; None while it has not ended.
    rows : list of TrialRow
        Best first.
    paths : list of str
        Settings that differ between trials.
    split : Split or None
        How the galaxies were divided; None before they were.
    reference : DataFrame or None
        Catalogue of the reference galaxies; None before they were measured.
    judged : list of Judged
        The finalists, or the best trial where there are none.
    importances : dict or str
        Share of each axis in the variance of the objective, or why there is none.
    stops : dict of str to str
        Why each stopped or failed trial ended, by its name.
    levels : list of Level
        Effects of an ablation; empty for other samplers.
    reference_images : (n, H, W, C) uint8 array or None
        Real galaxies of the reference.
    environment : dict or None
        What the study ran with, if it was recorded.
    tracking_uri : str or None
        MLflow store.
    """

    study: GalaxyStudy
    folder: Path
    status: str
    seconds: float | None
    rows: list[TrialRow]
    paths: list[str]
    split: Split | None = field(repr=False)
    reference: pd.DataFrame | None = field(repr=False)
    judged: list[Judged]
    importances: dict[str, float] | str
    stops: dict[str, str]
    levels: list[Level]
    reference_images: np.ndarray | None = field(repr=False)
    environment: dict[str, Any] | None = field(repr=False)
    tracking_uri: str | None

    @property
    def counts(self) -> dict[str, int]:
        """Trials by how they ended."""
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row.ending] = counts.get(row.ending, 0) + 1
        return counts

    @property
    def ranked(self) -> bool:
        """Whether one number ranks the trials."""
        return len(self.study.objective.metrics) == 1

    @property
    def weighs_axes(self) -> bool:
        """Whether the search moves several axes at once, so that each has a share in what was found."""
        return bool(self.study.axes) and self.study.search.sampler != "ablation"

    def floor(self, name: str = "ks_floor") -> float | None:
        """A floor of the evaluations during the search; None before the first one."""
        values = (e["metrics"].get(name) for row in self.rows for e in row.evaluations)
        return next((value for value in values if value is not None), None)

    @property
    def judges_shapes(self) -> bool:
        """Whether the KS floor is the floor of the objective."""
        return self.study.objective.metrics[0] not in ("energy", "spectrum")


def read_study(folder: Path) -> ReportData:
    """Return all that a report shows.

    Raises
    ------
    InputError
        If the folder's files are not those of a study of GANs.
    """
    study = load_study(folder / "study.yaml")
    if not isinstance(study, GalaxyStudy):
        raise InputError(f"{folder}: a study of enhancers, which has a report of its own")
    state = read_json(folder / "state.json")
    with open_database(folder / "optuna.db") as history:
        rows = [] if history is None else collect(study, history, folder)
        trials = [] if history is None else history.get_trials(deepcopy=False)
        shares = importances(study, history)
    errors = {f"{trial.number:04d}": trial.user_attrs["error"] for trial in trials if "error" in trial.user_attrs}
    ended, split = state.get("ended"), read_split(folder)
    catalogue = _catalogue(folder / "reference.parquet")
    return ReportData(
        study=study,
        folder=folder,
        status=_status(folder, ended),
        seconds=ended - state["begun"] if ended and "begun" in state else None,
        rows=rows,
        paths=varying(study, rows),
        split=split,
        reference=catalogue,
        judged=[] if catalogue is None else _judged(rows, folder, catalogue),
        importances=shares,
        stops=reasons(study, rows, errors),
        levels=ablation(study, rows) if study.search.sampler == "ablation" else [],
        reference_images=_reference_images(study, folder, split),
        environment=_environment(study, folder),
        tracking_uri=state.get("tracking_uri"),
    )


def _status(folder: Path, ended: float | None) -> str:
    """Whether a process holds the study's lock, and if not, whether it came to its end."""
    try:
        with open(folder / ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except OSError:
        return "running"
    return "finished" if ended else "interrupted"


def _catalogue(path: Path) -> pd.DataFrame | None:
    from eval.catalogue import read_catalogue

    try:
        return read_catalogue(path)
    except (OSError, ValueError):
        return None


def _reference_images(study: GalaxyStudy, folder: Path, split: Split | None) -> np.ndarray | None:
    """Real galaxies of the reference, (n, H, W, C) uint8; None: the set is not here any more."""
    from gan.data import DataError
    from study.tasks.generation.galaxy_set import open_galaxy_set

    if split is None:
        return None
    try:
        return open_galaxy_set(study, folder).images(study.data.image_size)[split.reference[:GRID_IMAGES]]
    except (DataError, OSError, IndexError):
        return None


def _judged(rows: list[TrialRow], folder: Path, reference: pd.DataFrame) -> list[Judged]:
    """The finalists compared with the reference, or the best trial where there are none."""
    from eval.distances import compare

    found = []
    for row in [row for row in rows if row.final] or rows[:1]:
        evaluation, place = judged(row, folder) or ({}, folder)
        catalogue = _catalogue(place / "generated.parquet")
        if catalogue is None:
            continue
        found.append(
            Judged(
                row=row,
                epoch=evaluation["epoch"],
                final=row.final is not None,
                comparison=compare(reference, catalogue),
                metrics=evaluation["metrics"],
                folder=place,
                catalogue=catalogue,
            )
        )
    return found


def _environment(study: Study, folder: Path) -> dict[str, Any] | None:
    """What the study ran with: beside it, or among the artifacts of its MLflow run."""
    artifacts = sorted(folder.resolve().parent.glob(f"artifacts/{study.name}/*/artifacts/environment.json"))
    found = (read_json(path) for path in (folder / "environment.json", *artifacts))
    return next((content for content in found if content), None)
