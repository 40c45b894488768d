"""What a report calls trials and settings."""

from __future__ import annotations

from typing import Any

from study.config.search_space import short
from study.reporting.data import ReportData
from study.results.trials import TrialRow

FOLLOWS = {"model.discriminator_width": "model.width", "train.discriminator_lr": "train.lr"}
"""Settings whose null stands for the value of another."""


def effective(data: ReportData, row: TrialRow, path: str) -> Any:
    """Return a trial's value at a path; what a null stands for where it stands for another setting."""
    value = row.point.get(path, data.study.value(path))
    if value is None and path in FOLLOWS:
        return row.point.get(FOLLOWS[path], data.study.value(FOLLOWS[path]))
    return value


def trial_title(row: TrialRow) -> str:
    """Return the trial's name, and its role where the settings do not tell it."""
    told = row.role == "baseline" or row.role.startswith("preset:")
    return f"{row.name} {row.role}" if told else row.name


def words_of(path: str) -> str:
    """Return a dotted path as a heading."""
    return short(path).replace("_", " ").replace(".", " ")
