"""What a report reads from a study's folder."""

from __future__ import annotations

import fcntl

from study.config import load_study
from study.reporting.data import read_study
from study.reporting.page import page
from study.tasks.generation.galaxy_set import open_galaxy_set
from study.tasks.registry import task_of
from tests.study.small_studies import snapshot


def test_status_finished_interrupted_running(results):
    assert read_study(results / "ablation").status == "finished"
    assert read_study(results / "search").status == "interrupted"
    with open(results / "search" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_study(results / "search").status == "running"
    (results / "search" / ".lock").unlink()


def test_why_trials_ended(results):
    stops = read_study(results / "search").stops
    assert stops["0003"] == "RuntimeError: the <GPU> is gone"
    assert set(stops) == {"0002", "0003"}


def test_reading_changes_nothing(results):
    before = snapshot(results)
    page(read_study(results / "search"))
    page(read_study(results / "ablation"))
    assert snapshot(results) == before


def test_a_second_stage_on_synthetic_galaxies_has_its_reference_and_spectrum_floor(paper_results):
    data = read_study(paper_results / "stage2")
    assert data.reference_images is not None and data.reference_images.shape == (40, 128, 128, 3)
    floor = data.judged[0].metrics.get("floor/spectrum")
    assert floor is not None and 0 < floor < 1


def test_without_the_galaxy_set_there_is_no_reference_image(results):
    data = read_study(results / "search")
    assert data.reference_images is None


def test_the_galaxies_that_a_study_draws_are_those_that_are_read_again(paper_results):
    study = load_study(paper_results / "stage2" / "study.yaml")
    drawn = task_of(study).images.open(paper_results / ".cache")
    read = open_galaxy_set(study, paper_results / "stage2")
    assert read.path.resolve() == drawn.path and read.content_hash == drawn.content
