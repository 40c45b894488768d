"""Which faults of the disk halt a study."""

import errno

import pytest

from study.storage.disk_errors import storage_fault


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "No space left on device: a/b"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (RuntimeError("task failed\nOSError: [Errno 28] No space left on device"), "[Errno 28] No space left"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "disk is full"),
        (ConnectionError("refused"), None),
        (ValueError("a bug"), None),
    ],
)
def test_only_faults_of_the_disk_halt_a_study(error, says):
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        found = storage_fault(each)
        assert found is None if says is None else says in found
