"""The table of measured galaxies: its columns, its files, and its cache.

A catalogue has one row per image, whatever happened to it. `status` says what did:

=========  ==============================================================================
status     meaning
=========  ==============================================================================
ok         measured; the floats are finite
failed     the image could be looked at, but no ellipse could be fitted
invalid    nothing to fit: non-finite pixels, or all pixels alike
error      the fit could not go on (the reference engine raised, or numbers ran away)
timeout    the reference engine exceeded its time limit
=========  ==============================================================================
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from common.atomic import atomic_path
from eval import properties
from eval.properties import unit_of
from eval.settings import MeasurementSettings

PROPERTIES = tuple(properties.PROPERTIES)
"""The four measured properties: 1 - b/a; degrees, y up, in (-90, 90]; sum over the frame; frame pixels."""

COLUMNS = (
    "id",
    *PROPERTIES,
    "status",
    "stop_code",
    *(f"converged_{name}" for name in PROPERTIES),
    "color_rg",
    "color_gb",
)
FLOAT_COLUMNS = tuple(name for name in COLUMNS if name not in ("id", "status", "stop_code"))
STATUSES = ("ok", "failed", "invalid", "error", "timeout")
NO_ISOPHOTE = -1
"""`stop_code` of a row that is not ok."""

ENGINE_VERSION = 1
"""Raised whenever an engine's numbers change, so that cached catalogues are measured again."""

_METADATA_KEY = b"measurement"
_log = logging.getLogger(__name__)


def write_catalogue(catalogue: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write a catalogue, whole or not at all.

    Parameters
    ----------
    catalogue : pandas.DataFrame
        Table from `eval.measure.measure`; `catalogue.attrs["measurement"]` travels with it.
    path : path-like
        `.ecsv` writes astropy's enhanced CSV, `.parquet` writes parquet.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    ValueError
        If the suffix is neither `.parquet` nor `.ecsv`.
    """
    path = Path(path)
    writer = _writer(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        writer(catalogue, str(partial))
    return path


def read_catalogue(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read what `write_catalogue` wrote, settings included (`attrs["measurement"]`).

    Raises
    ------
    ValueError
        If the suffix is unknown, or the file is not a catalogue.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    _writer(path)
    if not path.is_file():
        raise FileNotFoundError(f"no catalogue at {path}")
    try:
        catalogue = _read_ecsv(path) if path.suffix == ".ecsv" else _read_parquet(path)
    except Exception as error:
        raise ValueError(f"{path} is not a readable catalogue: {error}") from error
    missing = [name for name in ("id", *PROPERTIES, "status") if name not in catalogue]
    if missing:
        raise ValueError(f"{path} is not a catalogue: it has no column {', '.join(missing)}")
    return catalogue


def content_key(images: np.ndarray, settings: MeasurementSettings, engine: str) -> str:
    """Return a key (24 hex digits) of the pixels, the settings and the engine.

    Parameters
    ----------
    images : (N, H, W) or (N, H, W, C) array
        Hashed by shape, type and value, in pieces, so a memory map is never read whole.
    settings : MeasurementSettings
    engine : str
    """
    images = np.asanyarray(images)
    digest = hashlib.sha256()
    head = [settings.as_dict(), engine, ENGINE_VERSION, list(images.shape), images.dtype.str]
    digest.update(json.dumps(head, sort_keys=True).encode())
    piece = max(1, (16 << 20) // max(1, images[:1].nbytes))
    for start in range(0, len(images), piece):
        digest.update(np.ascontiguousarray(images[start : start + piece]).tobytes())
    return digest.hexdigest()[:24]


def cached(path: Path | None, count: int, work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return the catalogue of `count` images kept at `path`, or make it by `work` and keep it there.

    Parameters
    ----------
    path : path or None
        None keeps nothing.
    count : int
        Rows it must have; a file that is damaged or has other columns or rows is made again.
    work : callable
        Makes the catalogue.
    """
    if path is not None and path.exists():
        try:
            catalogue = read_catalogue(path)
            if len(catalogue) == count and tuple(catalogue.columns) == COLUMNS:
                return catalogue
            _log.warning("%s has %d rows for %d images: measuring again", path, len(catalogue), count)
        except ValueError as error:
            _log.warning("%s: measuring again", error)
    catalogue = work()
    if path is not None:
        write_catalogue(catalogue, path)
    return catalogue


def _writer(path: Path) -> Callable[[pd.DataFrame, str], None]:
    writers = {".parquet": _write_parquet, ".ecsv": _write_ecsv}
    if path.suffix not in writers:
        raise ValueError(f"{path}: a catalogue is written as .parquet or .ecsv, not {path.suffix!r}")
    return writers[path.suffix]


def _write_parquet(catalogue: pd.DataFrame, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(catalogue, preserve_index=False)
    measurement = json.dumps(catalogue.attrs.get("measurement", {}), sort_keys=True).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _METADATA_KEY: measurement})
    pq.write_table(table, name)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    catalogue = table.to_pandas()
    catalogue.attrs["measurement"] = json.loads((table.schema.metadata or {}).get(_METADATA_KEY, b"{}"))
    return catalogue


def _write_ecsv(catalogue: pd.DataFrame, name: str) -> None:
    from astropy.table import Table

    columns = {column: catalogue[column].to_numpy() for column in catalogue}
    for column, values in columns.items():
        if values.dtype == object:
            columns[column] = values.astype(str)
    table = Table(columns, meta={"measurement": catalogue.attrs.get("measurement", {})})
    for column in table.colnames:
        table[column].unit = unit_of(column) or None
    table.write(name, format="ascii.ecsv", overwrite=True)


def _read_ecsv(path: Path) -> pd.DataFrame:
    from astropy.table import Table

    table = Table.read(path, format="ascii.ecsv")
    catalogue = pd.DataFrame({name: np.ma.filled(np.ma.asarray(table[name].data), np.nan) for name in table.colnames})
    catalogue.attrs["measurement"] = dict(table.meta.get("measurement", {}))
    return catalogue
