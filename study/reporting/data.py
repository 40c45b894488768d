"""Everything a report shows, read from a study's folder without changing anything in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from study.config.errors import InputError
from study.config.study import Study, load_study
from study.reporting.optuna_history import importances as importance_of
from study.reporting.optuna_history import open_database, reasons
from study.results.ablation import Level, ablation
from study.results.trials import TrialRow, collect, varying

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
    comparison : eval.distances.Comparison
        All distances, with their floors.
    spectrum, spectrum_floor : float or None
        Distance of the mean power spectra; None where images or floor are not to be had.
    folder : Path
        With `generated.parquet` and `samples.png`.
    """

    row: TrialRow
    epoch: int
    final: bool
    comparison: Any
    spectrum: float | None
    spectrum_floor: float | None
    folder: Path


@dataclass(frozen=True)
class ReportData:
    """What is known of a study.

    Attributes
    ----------
    study : Study
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
    galaxies : dict
        `train`, `reference`: counts; `reference_failed`: share without a fit.
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

    study: Study
    folder: Path
    status: str
    seconds: float | None
    rows: list[TrialRow]
    paths: list[str]
    galaxies: dict[str, Any]
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

    def floor(self, name: str = "ks_floor") -> float | None:
        """A floor of the evaluations during the search; None before the first one."""
        values = (e["metrics"].get(name) for row in self.rows for e in row.evaluations)
        return next((value for value in values if value is not None), None)

    @property
    def judges_shapes(self) -> bool:
        """Whether the KS floor is the floor of the objective."""
        return self.study.objective.metrics[0] not in ("energy", "spectrum")


def find_study(name: str, results: Path) -> Path:
    """The folder of a study that is named, or given by its folder.

    Raises
    ------
    InputError
        There is none; the message lists those that are there.
    """
    for folder in (Path(name), results / name):
        if (folder / "study.yaml").is_file():
            return folder
    where = Path(name) if Path(name).is_dir() else results
    found = sorted(path.parent.name for path in where.glob("*/study.yaml"))
    there = f"studies there: {', '.join(found)}" if found else f"no study is in {where}"
    hint = "" if found else "; say where with --results DIR"
    raise InputError(f"study {name!r}: not found; {there}{hint}")


def read_study(folder: Path) -> ReportData:
    """Read all that a report shows.

    Raises
    ------
    InputError
        The folder's files are not those of a study.
    """
    study = load_study(folder / "study.yaml")
    state = _json(folder / "state.json") or {}
    with open_database(folder / "optuna.db") as history:
        trials = [] if history is None else history.get_trials(deepcopy=False)
        rows = [] if history is None else collect(study, history, folder)
        importances = importance_of(study, history)
        errors = {t.number: t.user_attrs["error"] for t in trials if "error" in t.user_attrs}
    images = _reference_images(study, folder)
    ended = state.get("ended")
    return ReportData(
        study=study,
        folder=folder,
        status=_status(folder, ended),
        seconds=ended - state["begun"] if ended and "begun" in state else None,
        rows=rows,
        paths=varying(study, rows),
        galaxies=_galaxies(folder),
        judged=_judged(study, rows, folder, images),
        importances=importances,
        stops=reasons(study, rows, {f"{number:04d}": why for number, why in errors.items()}),
        levels=ablation(study, rows) if study.search.sampler == "ablation" else [],
        reference_images=None if images is None else images[:GRID_IMAGES],
        environment=_environment(study, folder),
        tracking_uri=state.get("tracking_uri"),
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


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


def _galaxies(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError, KeyError), np.load(folder / "split.npz", allow_pickle=False) as split:
        train, reference = split["train"], split["reference"]
        found |= {"train": len(train), "reference": len(reference)}
        found["held_out"] = not (len(train) == len(reference) and bool((train == reference).all()))
    catalogue = _reference(folder)
    if catalogue is not None:
        found["reference_failed"] = float((catalogue["status"] != "ok").mean())
        found["measurement"] = catalogue.attrs.get("measurement", {})
    return found


def _reference(folder: Path) -> Any:
    from eval.catalogue import read_catalogue

    try:
        return read_catalogue(folder / "reference.parquet")
    except (OSError, ValueError):
        return None


def _reference_images(study: Study, folder: Path) -> np.ndarray | None:
    """Real galaxies of the reference, at most 2,000; None: the set is not here any more."""
    from gan.data import DataError, GalaxySet
    from study.tasks.generation.galaxies import SYNTHETIC

    data = study.data
    place = Path(data.set)
    if data.set == SYNTHETIC:
        name = f"synthetic-{data.synthetic_count}-{data.image_size}px-seed{data.seed}"
        place = folder.resolve().parent / ".cache" / name
    try:
        with np.load(folder / "split.npz", allow_pickle=False) as split:
            rows = split["reference"][:2000]
        return GalaxySet.open(place).images(data.image_size)[rows]
    except (DataError, OSError, ValueError, KeyError, IndexError):
        return None


def _judged(study: Study, rows: list[TrialRow], folder: Path, images: np.ndarray | None) -> list[Judged]:
    from eval.catalogue import read_catalogue
    from eval.distances import compare

    reference = _reference(folder)
    if reference is None:
        return []
    finals = [(row, row.final["epoch"], True, folder / "finalists" / row.name) for row in rows if row.final]
    best = [
        (row, row.best["epoch"], False, row.folder / "evaluations" / f"epoch-{row.best['epoch']:05d}")
        for row in rows[:1]
        if row.best
    ]
    judged = []
    for row, epoch, final, place in finals or best:
        try:
            catalogue = read_catalogue(place / "generated.parquet")
        except (OSError, ValueError):
            continue
        source = row.final if final else row.best
        spectrum = (source or {}).get("metrics", {}).get("spectrum")
        floor = _spectrum_floor(images, min(2000, len(catalogue)))
        judged.append(Judged(row, epoch, final, compare(reference, catalogue), spectrum, floor, place))
    return judged


def _spectrum_floor(images: np.ndarray | None, count: int) -> float | None:
    """The distance of real galaxies from real ones, by splits of the reference, at the size of the generated sample."""
    if images is None or len(images) < 4:
        return None
    from eval.statistics.spectra import compare_spectra

    stand_in = images[np.arange(count) % len(images)]
    return compare_spectra(images, stand_in).floor


def _environment(study: Study, folder: Path) -> dict[str, Any] | None:
    """What the study ran with: beside it, or among the artifacts of its MLflow run."""
    beside = _json(folder / "environment.json")
    artifacts = sorted(folder.resolve().parent.glob(f"artifacts/{study.name}/*/artifacts/environment.json"))
    return beside or next((found for path in artifacts if (found := _json(path))), None)
