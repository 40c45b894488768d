"""Small studies that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.study.small_studies import ABLATION, DRAWN, DROPOUT_128, PAPER_ABLATION, SPACE, STAGE2, TPE, WIDER, begin


@pytest.fixture(scope="session")
def galaxy_cache(tmp_path_factory) -> Path:
    """Where the galaxies of `results` and `young` are drawn, out of their reach."""
    return tmp_path_factory.mktemp("galaxies")


@pytest.fixture(scope="session")
def results(tmp_path_factory, galaxy_cache) -> Path:
    """Two studies: an interrupted search with trials of every ending, and a finished ablation of two seeds."""
    home = tmp_path_factory.mktemp("results")
    search = begin(home, SPACE.format(name="search", search=TPE), cache=galaxy_cache)
    for ends, until in (("complete", 2), ("complete", 2), ("stopped", 1), ("failed", 0), ("running", 1)):
        search.train(point=WIDER, ends=ends, until=until)
    ablation = begin(home, SPACE.format(name="ablation", search=ABLATION), cache=galaxy_cache)
    ablation.train_planned()
    ablation.finish()
    return home


@pytest.fixture
def young(tmp_path, galaxy_cache):
    """A search before its first trial."""
    return begin(tmp_path, SPACE.format(name="young", search=TPE), cache=galaxy_cache)


@pytest.fixture(scope="session")
def paper_results(tmp_path_factory) -> Path:
    """Three finished studies with what the paper's figures take: an ablation, a Stage-II, a DCGAN at 128 px."""
    home = tmp_path_factory.mktemp("paper")
    for text, most in ((PAPER_ABLATION, None), (STAGE2, 1), (DROPOUT_128, None)):
        study = begin(home, text)
        study.train_planned(most, draws=DRAWN)
        study.finish()
    return home
