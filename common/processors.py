"""How many processors this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(*, cgroup: Path = CGROUP) -> int:
    """Return the number of CPUs this process may use, at least 1.

    The least of the machine's CPUs, the process's CPU affinity, and the quota of its control group (versions 1 and 2,
    a fraction rounded up), which containers and batch systems set.

    Parameters
    ----------
    cgroup : Path
        Where control groups are mounted.
    """
    limits = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        limits.append(len(os.sched_getaffinity(0)))
    quota = _quota(cgroup)
    if quota is not None:
        limits.append(quota)
    return max(1, min(limits))


def available_threads() -> int:
    """Return `available_cpus()`, or `OMP_NUM_THREADS` where that is less: Ray sets it to a worker's share."""
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    cpus = available_cpus()
    return min(cpus, int(given)) if given.isdigit() and int(given) > 0 else cpus


def _quota(root: Path) -> int | None:
    """CPUs that the control group of this process and those above it grant, rounded up; None without a quota."""
    found = [quota for folder in _folders(root) if (quota := _quota_of(folder)) is not None]
    return min(found, default=None)


def _folders(root: Path) -> list[Path]:
    """Folders of this process's control group, from the root down, in both versions' places.

    Inside a container the group's own path may not be there while its quota stands at the root.
    """
    folders = [root, root / "cpu", root / "cpu,cpuacct"]
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        parts = Path(name.lstrip("/")).parts
        for top in (root / controllers,) if controllers else (root,):
            folders += [top.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return folders


def _quota_of(folder: Path) -> int | None:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
