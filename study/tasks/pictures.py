"""Pictures of an evaluation, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.atomic import atomically


def write_png(image: np.ndarray, path: Path) -> None:
    """Write a (H, W, 3) uint8 array as PNG, atomically."""
    from PIL import Image

    atomically(path, lambda partial: Image.fromarray(image).save(partial, format="PNG"))
