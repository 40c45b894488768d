"""The registry of families."""

from __future__ import annotations

import pytest

from common.errors import FieldError
from gan.config import ModelConfig
from gan.models import check


def test_unknown_family_is_named():
    with pytest.raises(FieldError, match=r"family = 'dcgam'.*dcgan"):
        check(ModelConfig(family="dcgam"))
