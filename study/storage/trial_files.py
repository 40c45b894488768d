"""Where the files of a study's trials are, as driver, workers and evaluators name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TrialFiles:
    """What a trial reads, and where it writes.

    Attributes
    ----------
    data : Path
        Folder of the galaxy set or pair set.
    split : Path
        Row numbers of the set's parts (`study.tasks.split.load_rows`).
    reference : Path
        Catalogue of the reference galaxies; absent for enhancers.
    trials : Path
        Folder of the trials' folders; all nodes see it, or `storage` is given.
    stage1 : Path or None
        Checkpoint of the first stage, for a second one that is judged behind it.
    storage : str or None
        Address of the study's copy in an object store (`study.storage.object_store`), for nodes that share no disk.
    """

    data: Path
    split: Path
    reference: Path
    trials: Path
    stage1: Path | None = None
    storage: str | None = None

    @classmethod
    def of_study(cls, folder: Path, data: Path, *, stage1: Path | None, storage: str | None = None) -> TrialFiles:
        """Return the files of the study in `folder`, with the set and the first stage that it uses."""
        return cls(
            data=data,
            split=folder / "split.npz",
            reference=folder / "reference.parquet",
            trials=folder / "trials",
            stage1=stage1,
            storage=storage,
        )

    def folder(self, trial: str) -> Path:
        """Return the folder of a trial."""
        return self.trials / trial

    def evaluation(self, trial: str, epoch: int) -> Path:
        """Return the folder of a trial's evaluation after `epoch` epochs."""
        return self.folder(trial) / "evaluations" / f"epoch-{epoch:05d}"
