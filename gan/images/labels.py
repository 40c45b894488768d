"""A table of labels joined to the images of a galaxy set by file name or id."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from common.names import stem
from gan.data import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | os.PathLike[str], key: str | None = None, *, what: str = "--table") -> pd.DataFrame:
    """Read a CSV, TSV or parquet table.

    Parameters
    ----------
    path : path-like
        The table; its suffix decides how it is read.
    key : str, optional
        A column that it must have.
    what : str
        What messages call it.

    Returns
    -------
    DataFrame
        One row or more.

    Raises
    ------
    DataError
        If it cannot be read, is empty or has no column `key`.
    """
    import pandas as pd

    path = Path(path)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", low_memory=False)
    except FileNotFoundError:
        raise DataError(f"{what} {path} does not exist") from None
    except (OSError, ValueError) as error:  # pandas' and pyarrow's parser errors are ValueErrors
        raise DataError(f"{what} {path} cannot be read: {error}") from None
    if table.empty:
        raise DataError(f"{what} {path} has no rows")
    if key is not None and key not in table.columns:
        raise DataError(f"{what} {path} has no column {key!r}; it has {', '.join(map(str, table.columns))}")
    return table


def join_table(
    index: pd.DataFrame, table: pd.DataFrame, *, key: str | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add the columns of `table` to `index`, row by row.

    Parameters
    ----------
    index : DataFrame
        Index of a galaxy set, with columns id and source.
    table : DataFrame
        Labels; a column that `index` has already is added as `table_<name>`.
    key : str, optional
        Column of `table` that names the images: by source, file name, stem or id. Default: the column that names most.

    Returns
    -------
    joined : DataFrame
        `index` with further columns; missing values for images that the table does not name.
    about : dict
        key, kind ("source", "file", "stem" or "id") and the number of images matched.

    Raises
    ------
    DataError
        If no column (or not the column `key`) names any image, or the table names an image twice.
    """
    import pandas as pd

    names = {
        "source": index["source"],
        "file": index["source"].map(lambda name: PurePosixPath(name).name),
        "stem": index["source"].map(stem),
        "id": index["id"],
    }
    best: tuple[int, str, str] = (0, "", "")
    for column in [key] if key is not None else list(table.columns):
        if table[column].dtype.kind == "f":
            continue
        values = set(table[column].astype(str))
        for kind, wanted in names.items():
            best = max(best, (int(wanted.isin(values).sum()), str(column), kind), key=lambda found: found[0])
    matched, column, kind = best
    if matched == 0:
        where = f"column {key!r}" if key is not None else "no column of the table"
        example = index["source"].iloc[0]
        raise DataError(f"{where} names {'none' if key is not None else 'any'} of the images (such as {example!r})")
    keys = table[column].astype(str)
    used = keys.isin(set(names[kind]))
    table, keys = table[used], keys[used]
    if keys.duplicated().any():
        raise DataError(f"column {column!r} of the table names {keys[keys.duplicated()].iloc[0]!r} twice")
    renamed = table.rename(columns={name: f"table_{name}" for name in table.columns if name in index.columns})
    rows = renamed.set_index(keys).reindex(names[kind]).reset_index(drop=True)
    return pd.concat([index.reset_index(drop=True), rows], axis=1), {"key": column, "kind": kind, "matched": matched}
