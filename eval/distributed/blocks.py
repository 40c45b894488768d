"""A block of a stage: a range of images in, the catalogue of that range out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eval.catalogue import read_catalogue, write_catalogue
from eval.distributed.image_source import ImageSource
from eval.measure import measure
from eval.settings import MeasurementSettings

Block = tuple[int, int]
"""First image of a range, and the one after its last."""


class StageError(RuntimeError):
    """A stage could not go on; the message says where it stopped and what is kept."""


@dataclass(frozen=True, kw_only=True)
class BlockJob:
    """What every worker must know about a block."""

    settings: MeasurementSettings
    engine: str

    def run(self, source: ImageSource, block: Block, jobs: int) -> bytes:
        """The catalogue of a block as the bytes of a parquet file."""
        start, stop = block
        names = getattr(source, "ids", None)
        ids = range(start, stop) if names is None else names(start, stop)
        catalogue = measure(
            source.images(start, stop), engine=self.engine, jobs=jobs, settings=self.settings, ids=list(ids)
        )
        with tempfile.TemporaryDirectory() as folder:
            return write_catalogue(catalogue, Path(folder) / "part.parquet").read_bytes()


def decoded(content: bytes) -> pd.DataFrame:
    """The catalogue that `BlockJob.run` returned as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        path.write_bytes(content)
        return read_catalogue(path)
