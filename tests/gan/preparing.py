"""Galaxies as files for `python -m gan.prepare`, and ways to run it and to check what it made."""

import io
import sys

import numpy as np
from PIL import Image

from gan.prepare import main

SIDE = 40


def jpeg(image, form="JPEG"):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, quality=95)
    return stream.getvalue()


def run(*arguments):
    """Run the command in this process; options are strings or paths."""
    return main([*map(str, arguments), "--quiet"])


def command(*arguments):
    return [sys.executable, "-m", "gan.prepare", *map(str, arguments), "--sizes", "16", "32"]


def everything(path):
    return {p.relative_to(path).as_posix(): (p.stat().st_mtime_ns, p.stat().st_ino) for p in path.rglob("*")}


def check_against_pillow(galaxy_set, folder):
    for row, name in enumerate(galaxy_set.index["source"]):
        original = Image.open(folder / name)
        for size in galaxy_set.sizes:
            expected = np.asarray(original.resize((size, size), Image.Resampling.NEAREST))
            np.testing.assert_array_equal(galaxy_set.images(size)[row], expected)
