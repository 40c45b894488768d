"""From what was found to the text of a page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **content: Any) -> str:
    """Return a page; every text in `content` is escaped.

    Parameters
    ----------
    template : str
        Name of a file in `templates`.
    **content
        What the template names.
    """
    environment = Environment(
        loader=PackageLoader("study.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(content)


def file_uri(path: Path) -> str | None:
    """Return a PNG file as a data URI; None: it is not there."""
    try:
        return data_uri(path.read_bytes())
    except OSError:
        return None


def png_uri(image: np.ndarray) -> str:
    """Return a (H, W, 3) uint8 image as the data URI of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """Return the data URI of the bytes of a PNG."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
