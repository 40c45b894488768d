"""Words and pictures that several parts of a report share."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np

from study.config.search_space import short
from study.reporting.data import ReportData
from study.results.trials import TrialRow

NAMES = {
    "ks_mean": "mean of four",
    "ellipticity": "ellipticity",
    "position_angle": "position angle",
    "position_angle_elongated": "position angle, ellipticity > 0.1",
    "flux": "flux",
    "semi_major_axis": "semi-major axis",
    "color_rg": "color r/g",
    "color_gb": "color g/b",
}
"""What a report calls properties."""
FOLLOWS = {"model.discriminator_width": "model.width", "train.discriminator_lr": "train.lr"}
"""Settings whose null stands for the value of another."""


def effective(data: ReportData, row: TrialRow, path: str) -> Any:
    """A trial's value at a path; what a null stands for where it stands for another setting."""
    value = row.point.get(path, data.study.value(path))
    if value is None and path in FOLLOWS:
        return row.point.get(FOLLOWS[path], data.study.value(FOLLOWS[path]))
    return value


def trial_title(row: TrialRow) -> str:
    """Name and role, where the settings do not tell the role."""
    told = row.role == "baseline" or row.role.startswith("preset:")
    return f"{row.name} {row.role}" if told else row.name


def words_of(path: str) -> str:
    """A dotted path as a heading."""
    return short(path).replace("_", " ").replace(".", " ")


def file_uri(path: Path) -> str | None:
    """A PNG file as a data URI; None: it is not there."""
    try:
        return data_uri(path.read_bytes())
    except OSError:
        return None


def png_uri(image: np.ndarray) -> str:
    """A (H, W, 3) uint8 image as the data URI of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """The data URI of the bytes of a PNG."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
