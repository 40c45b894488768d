"""What the paper's figures are made from: a study's folder, read without changing anything in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import InputError
from gan.config import ModelConfig, TrainConfig, as_dict
from study.config import load_study
from study.config.families import GalaxyStudy
from study.config.search_space import shown
from study.results.history import Split, judged, read_json, read_split, read_trials
from study.results.trials import TrialRow
from study.tasks.generation.galaxy_set import open_galaxy_set
from study.tasks.generation.sampling import input_size
from study.tasks.split import SYNTHETIC

if TYPE_CHECKING:
    from gan.data import GalaxySet

SHEET_PADDING = 2


class FigureUnavailable(Exception):
    """A figure cannot be made from this study; the message says what it would take."""


@dataclass(frozen=True)
class Source:
    """A study as the figures see it.

    Attributes
    ----------
    study : GalaxyStudy
        As it was run.
    folder : Path
        Its folder.
    rows : list of TrialRow
        Trials that drew galaxies at least once, best first.
    state : dict
        Content of `state.json`.
    split : Split
        How the galaxies were divided; empty before they were.
    """

    study: GalaxyStudy
    folder: Path
    rows: list[TrialRow]
    state: dict[str, Any] = field(repr=False)
    split: Split = field(repr=False)

    @property
    def leader(self) -> TrialRow:
        """The best trial; raises `FigureUnavailable` when there is none."""
        if not self.rows:
            raise FigureUnavailable("no trial of this study has drawn galaxies yet")
        return self.rows[0]

    @property
    def enlarges_real(self) -> bool:
        """Whether the study has no galaxies from noise: a Stage-II without a first stage."""
        return input_size(self.study.model) is not None and self.study.objective.stage1 is None

    @property
    def name_of_real(self) -> str:
        """What the galaxies of the set are called."""
        return "synthetic" if self.study.data.set == SYNTHETIC else "real"

    @property
    def galaxy_set(self) -> GalaxySet:
        """The study's galaxies; raises `FigureUnavailable` when they are not here any more."""
        from gan.data import DataError

        try:
            galaxies = open_galaxy_set(self.study, self.folder)
        except DataError as error:
            raise FigureUnavailable(f"the study's galaxies cannot be opened: {error}") from None
        last = max((int(rows.max()) for rows in (self.split.train, self.split.reference) if len(rows)), default=0)
        if last >= len(galaxies):
            raise FigureUnavailable(
                f"{galaxies.path} is another galaxy set now: the study used row {last}, it has {len(galaxies)}"
            )
        return galaxies

    def real(self, size: int) -> np.ndarray:
        """Return all reference galaxies in the order of the set, (n, size, size, C) uint8."""
        from gan.data import DataError

        try:
            return self.galaxy_set.images(size)[self.split.reference]
        except DataError as error:
            raise FigureUnavailable(str(error)) from None

    def real_sample(self, n: int, *, size: int | None = None, seed: int = 0) -> np.ndarray:
        """Reference galaxies taken at random, (n, size, size, C) uint8."""
        images = self.galaxy_set.images(size or self.study.data.image_size)
        chosen = np.random.default_rng(seed).permutation(len(self.split.reference))[:n]
        return images[self.split.reference[chosen]]

    def has_sizes(self, *wanted: int | None) -> bool:
        """Whether the galaxy set is here and has images of all these sides."""
        try:
            return {*wanted} <= {*self.galaxy_set.sizes}
        except FigureUnavailable:
            return False

    def configured(self, row: TrialRow) -> tuple[ModelConfig, TrainConfig]:
        """A trial's networks and training."""
        return self.study.configure(row.point, row.seed)

    def judged(self, row: TrialRow) -> tuple[dict[str, Any], Path]:
        """A trial's best evaluation with its folder: the finalist's where there is one."""
        found = judged(row, self.folder)
        assert found is not None  # every row of a source was judged
        return found

    def checkpoint(self, row: TrialRow) -> tuple[Path, int]:
        """The checkpoint that was judged best, and its epoch; raises `FigureUnavailable` when it was not kept."""
        epoch = int(self.judged(row)[0]["epoch"])
        path = row.checkpoint(epoch)
        if path is None:
            raise FigureUnavailable(f"the checkpoint of trial {row.name} at epoch {epoch} was not kept")
        return path, epoch

    def describe_data(self) -> str:
        """The galaxies, in a sentence."""
        data = self.study.data
        name = (
            "synthetic galaxies (Sersic profiles) in the place of real ones"
            if data.set == SYNTHETIC
            else f"galaxy set {data.set}"
        )
        train, reference = len(self.split.train), len(self.split.reference)
        kept = "held out of training" if self.split.held_out else "the same ones, for the set is small"
        return f"Data: {name}, {train:,} to train on, {reference:,} as reference ({kept}), {data.image_size} px."

    def describe_study(self) -> str:
        """The study's name, as a sentence begins."""
        return f"Study {self.study.name}{', a smoke run' if self.study.name.endswith('-smoke') else ''}"

    def describe_trial(self, row: TrialRow, epoch: int, *, study: bool = True) -> str:
        """A trial, its epoch and its settings, in a sentence; `study` names the study as well."""
        model, train = self.configured(row)
        running = ", still running" if row.ending == "running" else ""
        settings = [model.family, f"width {model.width}", f"batch {train.batch_size}"]
        for path, value in row.point.items():
            if path not in ("model.width", "train.batch_size"):
                settings.append(f"{path.removeprefix('model.').removeprefix('train.')} {shown(value)}")
        of = f"{self.describe_study()}, " if study else ""
        return f"{of}trial {row.name}{running}, epoch {epoch} of {train.epochs} ({', '.join(settings)})."


def read_source(folder: Path) -> Source:
    """Return what a study holds, whether it ended, was interrupted or is running.

    Raises
    ------
    InputError
        If the folder's files are not those of a study of galaxies.
    """
    study = load_study(folder / "study.yaml")
    if not isinstance(study, GalaxyStudy):
        raise InputError(f"study {folder}: enhances images, and the paper's figures are of galaxies drawn from noise")
    rows = [row for row in read_trials(study, folder) if last_drawn(row)]
    nothing = np.empty(0, np.int64)
    split = read_split(folder) or Split(nothing, nothing)
    return Source(study, folder, rows, read_json(folder / "state.json"), split)


def last_drawn(row: TrialRow) -> dict[str, Any] | None:
    """Return the last evaluation of a trial that has a sheet of galaxies; None: it has none."""
    return next((e for e in reversed(row.evaluations) if sheet_path(row, e["epoch"]).exists()), None)


def sheet_path(row: TrialRow, epoch: int) -> Path:
    """Return where an evaluation keeps its sheet of galaxies."""
    return row.folder / "evaluations" / f"epoch-{epoch:05d}" / "samples.png"


def tiles(sheet: Path, size: int, n: int) -> np.ndarray:
    """Return the first galaxies on a sheet that `write_evaluation` wrote.

    Parameters
    ----------
    sheet : Path
        A PNG file.
    size : int
        Side of a galaxy in pixels.
    n : int
        How many, at most.

    Returns
    -------
    (m, size, size, 3) uint8 array
        m is at most n.

    Raises
    ------
    FigureUnavailable
        If the file cannot be read, or is too small for one galaxy.
    """
    from PIL import Image

    try:
        with Image.open(sheet) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise FigureUnavailable(f"{sheet} cannot be read ({error})") from None
    step = size + SHEET_PADDING
    rows, columns = ((side - SHEET_PADDING) // step for side in pixels.shape[:2])
    if rows < 1 or columns < 1:
        raise FigureUnavailable(f"{sheet} does not hold galaxies of {size} px")
    places = [(SHEET_PADDING + r * step, SHEET_PADDING + c * step) for r in range(rows) for c in range(columns)][:n]
    return np.stack([pixels[top : top + size, left : left + size] for top, left in places])


def drawn(source: Source, row: TrialRow, n: int) -> tuple[np.ndarray, int]:
    """Return the first n galaxies of a trial's last evaluation, (m <= n, S, S, 3) uint8, and its epoch.

    They are not chosen: they are random ones of the trial's seed.
    """
    evaluation = last_drawn(row)
    assert evaluation is not None
    count = min(n, source.study.objective.samples)
    return tiles(sheet_path(row, evaluation["epoch"]), source.study.data.image_size, count), evaluation["epoch"]


def one_factor(source: Source, path: str, wanted: Iterable[Any]) -> dict[Any, TrialRow]:
    """Return trials that differ in the setting at `path` and in nothing else, their seed included.

    Parameters
    ----------
    source : Source
        The study.
    path : str
        Such as `model.kernel_size`.
    wanted : iterable
        Values that the figure needs. Of several groups of trials the one with most of them is taken.

    Returns
    -------
    dict of value to TrialRow
        Empty when no group has any of the values.
    """
    groups: dict[str, dict[Any, TrialRow]] = {}
    for row in source.rows:
        model, train = source.configured(row)
        settings = {"model": as_dict(model), "train": as_dict(train)}
        *parents, last = path.split(".")
        node = settings
        for part in parents:
            node = node[part]
        value = node.pop(last)
        groups.setdefault(json.dumps(settings, sort_keys=True), {}).setdefault(value, row)
    wanted = set(wanted)

    def suits(group: dict[Any, TrialRow]) -> tuple[int, int]:
        return len(wanted & set(group)), -min(row.seed for row in group.values())

    best = max(groups.values(), key=suits, default={})
    return best if wanted & set(best) else {}


def losses(source: Source, row: TrialRow) -> dict[str, np.ndarray]:
    """Return the losses of every epoch of a trial from its MLflow run, which is read and not written.

    Returns
    -------
    dict of str to (n, 2) float array
        Epoch and loss of `generator` and `discriminator`.

    Raises
    ------
    FigureUnavailable
        If the store is not a database beside the study, or has no losses of the trial.
    """
    database = _local_store(source)
    identity = source.state.get("study_id")
    if database is None or identity is None:
        raise FigureUnavailable("the losses are in the study's MLflow store, and no such database is beside the study")
    query = """select m.key, m.step, m.value from metrics m
        join tags t on t.run_uuid = m.run_uuid and t.key = 'trial_id' and t.value = ?
        join tags s on s.run_uuid = m.run_uuid and s.key = 'study_id' and s.value = ?
        where m.key in ('loss/generator', 'loss/discriminator') order by m.step, m.timestamp"""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        ) as opened:
            found = opened.execute(query, (row.name, identity)).fetchall()
    except sqlite3.Error as error:
        raise FigureUnavailable(f"{database}: no losses can be read ({error})") from None
    curves = {
        side: np.array(list({int(step): float(value) for key, step, value in found if key == f"loss/{side}"}.items()))
        for side in ("generator", "discriminator")
    }
    if not all(len(curve) for curve in curves.values()):
        raise FigureUnavailable(f"{database} has no losses of trial {row.name}")
    return curves


def _local_store(source: Source) -> Path | None:
    given = str(source.state.get("tracking_uri") or "")
    beside = source.folder.resolve().parent / "mlflow.db"
    named = Path(given.removeprefix("sqlite:///")) if given.startswith("sqlite:///") else None
    return next((path for path in (named, beside) if path is not None and path.is_file()), None)
