"""A trial's folder after a process died in it."""

import pytest

from study.storage.trial_folder import checkpoints, damage, mend, reported
from tests.study.trial_folders import save, tiny_trainer


@pytest.fixture(scope="module")
def trainer():
    return tiny_trainer()


def test_mending_takes_the_newest_whole_checkpoint_and_keeps_the_best_two(trainer, tmp_path):
    for epoch, objective in ((10, 0.4), (20, 0.9), (30, 0.3), (40, 0.5), (50, 0.8), (60, 0.1), (70, 0.2)):
        save(trainer, tmp_path, epoch, objective)
    content = bytearray((tmp_path / "epoch-00070" / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "epoch-00070" / "checkpoint.pt").write_bytes(content)
    (tmp_path / "epoch-00060" / "metrics.json").write_text('{"cut')
    (tmp_path / "checkpoint_manager_snapshot.json").write_text('{"cut')
    notes = mend(tmp_path)
    assert len(notes) == 2 and "epoch-00070" in notes[0] and "epoch-00060" in notes[1]
    assert [c.name for c in checkpoints(tmp_path)] == ["epoch-00050", "epoch-00030", "epoch-00010"]
    assert all(damage(c) is None for c in checkpoints(tmp_path))
    assert not (tmp_path / "checkpoint_manager_snapshot.json").exists()
    assert mend(tmp_path) == [] and mend(tmp_path / "absent") == []
    losses, evaluations = reported(tmp_path)
    assert [row["epoch"] for row in losses] == list(range(1, 51))
    assert [e["epoch"] for e in evaluations] == [10, 20, 30, 40, 50]
