"""What the paper's figures are made from: a study's folder, read without changing anything in it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig, as_dict
from study.config.errors import InputError
from study.config.pair_sections import ENHANCERS
from study.config.search_space import shown
from study.config.study import Study, load_study
from study.results.trials import TrialRow, collect
from study.tasks.generation.sampling import input_size, sizes

SHEET_PADDING = 2


class CannotMake(Exception):
    """A figure is not to be had from this study; the message says what it would take."""


@dataclass(frozen=True)
class Source:
    """A study as the figures see it.

    Attributes
    ----------
    study : Study
        As it was run.
    folder : Path
        Its folder.
    rows : list of TrialRow
        Trials that drew galaxies at least once, best first.
    state : dict
        Content of `state.json`.
    split : dict of str to array
        `train` and `reference`: rows of the galaxy set.
    """

    study: Study
    folder: Path
    rows: list[TrialRow]
    state: dict[str, Any] = field(repr=False)
    split: dict[str, np.ndarray] = field(repr=False)

    @property
    def leader(self) -> TrialRow:
        """The best trial; raises `CannotMake` when there is none."""
        if not self.rows:
            raise CannotMake("no trial of this study has drawn galaxies yet")
        return self.rows[0]

    @property
    def held_out(self) -> bool:
        """Whether the reference galaxies were kept out of training."""
        return not np.array_equal(self.split["train"], self.split["reference"])

    @property
    def galaxy_set(self) -> Any:
        """The study's `GalaxySet`; raises `CannotMake` when it is not here any more."""
        from gan.data import DataError, GalaxySet
        from study.tasks.generation.galaxies import SYNTHETIC

        data = self.study.data
        place = Path(data.set)
        if data.set == SYNTHETIC:
            sides = "-".join(map(str, sizes(self.study.model)))
            name = f"synthetic-{data.synthetic_count}-{sides}px-seed{data.seed}"
            place = self.folder.resolve().parent / ".cache" / name
        try:
            galaxies = GalaxySet.open(place)
        except DataError as error:
            raise CannotMake(f"the study's galaxies cannot be opened: {error}") from None
        last = max((int(rows.max()) for rows in self.split.values() if len(rows)), default=0)
        if last >= len(galaxies):
            raise CannotMake(f"{place} is another galaxy set now: the study used row {last}, it has {len(galaxies)}")
        return galaxies

    def real(self, size: int, part: str = "reference") -> np.ndarray:
        """Real galaxies of one part, (n, size, size, C) uint8, in the order of the set."""
        from gan.data import DataError

        try:
            return self.galaxy_set.images(size)[self.split[part]]
        except DataError as error:
            raise CannotMake(str(error)) from None

    def real_sample(self, n: int, *, size: int | None = None, seed: int = 0) -> np.ndarray:
        """Reference galaxies taken at random, (n, size, size, C) uint8."""
        images = self.galaxy_set.images(size or self.study.data.image_size)
        chosen = np.random.default_rng(seed).permutation(len(self.split["reference"]))[:n]
        return images[self.split["reference"][chosen]]

    def has_sizes(self, *wanted: int | None) -> bool:
        """Whether the galaxy set is here and has images of all these sides."""
        try:
            return {*wanted} <= {*self.galaxy_set.sizes}
        except CannotMake:
            return False

    def configured(self, row: TrialRow) -> tuple[ModelConfig, TrainConfig]:
        """A trial's networks and training."""
        return self.study.configure(row.point, row.seed)

    def judged(self, row: TrialRow) -> tuple[dict[str, Any], Path]:
        """A trial's best evaluation with its folder: the finalist's where there is one."""
        if row.final is not None:
            return row.final, self.folder / "finalists" / row.name
        best = row.best
        assert best is not None
        return best, row.folder / "evaluations" / f"epoch-{best['epoch']:05d}"

    def checkpoint(self, row: TrialRow) -> tuple[Path, int]:
        """The checkpoint that was judged best, and its epoch; raises `CannotMake` when it was not kept."""
        epoch = int(self.judged(row)[0]["epoch"])
        path = row.checkpoint(epoch)
        if path is None:
            raise CannotMake(f"the checkpoint of trial {row.name} at epoch {epoch} was not kept")
        return path, epoch

    def describe_data(self) -> str:
        """The galaxies, in a sentence."""
        data = self.study.data
        name = (
            "synthetic galaxies (Sersic profiles) in the place of real ones"
            if data.set == "synthetic"
            else f"galaxy set {data.set}"
        )
        train, reference = len(self.split["train"]), len(self.split["reference"])
        kept = "held out of training" if self.held_out else "the same ones, for the set is small"
        return f"Data: {name}, {train:,} to train on, {reference:,} as reference ({kept}), {data.image_size} px."

    def describe_study(self) -> str:
        """The study's name, as a sentence begins."""
        return f"Study {self.study.name}{', a smoke run' if self.study.smoke else ''}"

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
    """Read a study that ended, was interrupted or is running.

    Raises
    ------
    InputError
        The folder's files are not those of a study.
    """
    from study.reporting.data import open_database

    study = load_study(folder / "study.yaml")
    if study.model.family in ENHANCERS:
        raise InputError(f"study {folder}: enhances images, and the paper's figures are of galaxies drawn from noise")
    with open_database(folder / "optuna.db") as history:
        rows = [] if history is None else collect(study, history, folder)
    split = {name: np.empty(0, np.int64) for name in ("train", "reference")}
    with (
        contextlib.suppress(OSError, ValueError, KeyError),
        np.load(folder / "split.npz", allow_pickle=False) as arrays,
    ):
        split = {name: arrays[name] for name in split}
    state: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((folder / "state.json").read_text())
    return Source(study, folder, [row for row in rows if last_drawn(row)], state, split)


def last_drawn(row: TrialRow) -> dict[str, Any] | None:
    """The last evaluation of a trial that has a sheet of galaxies; None: it has none."""
    return next((e for e in reversed(row.evaluations) if sheet_path(row, e["epoch"]).exists()), None)


def sheet_path(row: TrialRow, epoch: int) -> Path:
    """Where an evaluation keeps its sheet of galaxies."""
    return row.folder / "evaluations" / f"epoch-{epoch:05d}" / "samples.png"


def tiles(sheet: Path, size: int, n: int) -> np.ndarray:
    """The first n galaxies on a sheet that `write_evaluation` wrote: (m <= n, size, size, 3) uint8."""
    from PIL import Image

    try:
        with Image.open(sheet) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    except OSError as error:
        raise CannotMake(f"{sheet} cannot be read ({error})") from None
    step = size + SHEET_PADDING
    rows, columns = ((side - SHEET_PADDING) // step for side in pixels.shape[:2])
    if rows < 1 or columns < 1:
        raise CannotMake(f"{sheet} does not hold galaxies of {size} px")
    places = [(SHEET_PADDING + r * step, SHEET_PADDING + c * step) for r in range(rows) for c in range(columns)][:n]
    return np.stack([pixels[top : top + size, left : left + size] for top, left in places])


def drawn(source: Source, row: TrialRow, n: int) -> tuple[np.ndarray, int]:
    """The first n galaxies of a trial's last evaluation, which are random ones of its seed, and the epoch."""
    evaluation = last_drawn(row)
    assert evaluation is not None
    count = min(n, source.study.objective.samples)
    return tiles(sheet_path(row, evaluation["epoch"]), source.study.data.image_size, count), evaluation["epoch"]


def one_factor(source: Source, path: str, wanted: Iterable[Any]) -> dict[Any, TrialRow]:
    """Trials that share every setting, and the seed, but the one at `path`: as many of the wanted values as there are.

    Parameters
    ----------
    path : str
        Such as `model.kernel_size`.
    wanted : iterable
        Its values that the figure needs; a group without any of them is passed over.

    Returns
    -------
    dict of value to TrialRow
        Empty when the study has none.
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
    order: Callable[[dict[Any, TrialRow]], tuple[int, int]] = lambda group: (  # noqa: E731
        len(wanted & set(group)),
        -min(row.seed for row in group.values()),
    )
    best = max(groups.values(), key=order, default={})
    return best if wanted & set(best) else {}


def losses(source: Source, row: TrialRow) -> dict[str, np.ndarray]:
    """Losses of every epoch of a trial from its MLflow run: `generator`, `discriminator` -> (n, 2) epoch and loss."""
    database = _local_store(source)
    identity = source.state.get("study_id")
    if database is None or identity is None:
        raise CannotMake("the losses are in the study's MLflow store, and no such database is beside the study")
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
        raise CannotMake(f"{database}: no losses can be read ({error})") from None
    curves = {
        side: np.array(list({int(step): float(value) for key, step, value in found if key == f"loss/{side}"}.items()))
        for side in ("generator", "discriminator")
    }
    if not all(len(curve) for curve in curves.values()):
        raise CannotMake(f"{database} has no losses of trial {row.name}")
    return curves


def _local_store(source: Source) -> Path | None:
    given = str(source.state.get("tracking_uri") or "")
    beside = source.folder.resolve().parent / "mlflow.db"
    named = Path(given.removeprefix("sqlite:///")) if given.startswith("sqlite:///") else None
    return next((path for path in (named, beside) if path is not None and path.is_file()), None)


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
    """Load a Stage-II given as a study or as a checkpoint.

    Raises
    ------
    InputError
        There is none, or it enlarges nothing.
    """
    from gan.training.checkpoint import CheckpointError, load_enlarger

    folder = next((f for f in (Path(given), results / given) if (f / "study.yaml").is_file()), None)
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
    except CannotMake as error:
        raise InputError(f"--stage2 {given}: {error}") from None
    return Stage2(network, model, f"{words}." if source else f"{words}, width {model.width}.", source)


def _checkpoint_file(given: str) -> Path:
    from study.results.models import ACCEPTED

    path = Path(given)
    if path.is_dir():
        path = next((p for p in (path / "best/checkpoint.pt", path / "checkpoint.pt") if p.is_file()), path)
    if not path.is_file():
        raise InputError(f"--stage2 {given!r}: no such study or file; {ACCEPTED.split(', runs')[0]}")
    return path
