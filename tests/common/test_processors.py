"""CPUs that a process may use: affinity and the quota of its control group."""

import os

import pytest

from common.processors import available_cpus, available_threads


@pytest.fixture
def many(monkeypatch):
    """A machine of 64 CPUs, whatever this one has."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("text", "cpus"), [("400000 100000", 4), ("150000 100000", 2), ("1000 100000", 1), ("max 100000", 64)]
)
def test_a_quota_of_version_2_counts(many, tmp_path, text, cpus):
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert available_cpus(cgroup=tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("400000", 4), ("-1", 64)])
def test_a_quota_of_version_1_counts(many, tmp_path, quota, cpus):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(cgroup=tmp_path) == cpus


def test_an_affinity_counts(many, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert available_cpus(cgroup=tmp_path) == 2


def test_nothing_readable_means_the_whole_machine(many, tmp_path):
    (tmp_path / "cpu.max").write_text("nonsense")
    assert available_cpus(cgroup=tmp_path / "absent") == available_cpus(cgroup=tmp_path) == 64


def test_threads_are_bounded_by_what_ray_gives_a_worker(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert available_threads() == available_cpus()
