"""A trained model for all tests of generating."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.results.models import load_model
from tests.study.trained import trained


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("model") / "c.pt")


@pytest.fixture(scope="module")
def model(saved):
    return load_model(str(saved))
