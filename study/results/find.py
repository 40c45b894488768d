"""A study's folder from the name that a user gives."""

from __future__ import annotations

from pathlib import Path

from common.errors import InputError


def study_folder(name: str, results: Path) -> Path | None:
    """Return the folder of a study given by its folder or by its name in `results`; None: there is none."""
    return next((folder for folder in (Path(name), results / name) if (folder / "study.yaml").is_file()), None)


def find_study(name: str, results: Path) -> Path:
    """Return the folder of a study given by its folder or by its name in `results`.

    Raises
    ------
    InputError
        If there is none; the message lists those that are there.
    """
    folder = study_folder(name, results)
    if folder is not None:
        return folder
    where = Path(name) if Path(name).is_dir() else results
    found = sorted(path.parent.name for path in where.glob("*/study.yaml"))
    there = f"studies there: {', '.join(found)}" if found else f"no study is in {where}"
    hint = "" if found else "; say where with --results DIR"
    raise InputError(f"study {name!r}: not found; {there}{hint}")
