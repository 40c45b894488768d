"""Enhancers that cannot be built are refused by name."""

from __future__ import annotations

import pytest

from common.errors import FieldError
from gan.enhance.config import CriticConfig, UNetConfig

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image_size": 60}, "image_size"),
        ({"image_size": 8, "depth": 1}, "image_size"),
        ({"depth": 0}, "depth"),
        ({"depth": 9, "image_size": 512}, "depth"),
        ({"width": 0}, "width"),
        ({"max_width": 4}, "max_width"),
        ({"norm": "layer"}, "norm"),
        ({"scale": 4}, "scale"),
        ({"dropout": 1.0}, "dropout"),
        ({"attention": True, "depth": 1}, "attention"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(change, field):
    with pytest.raises(FieldError) as caught:
        UNetConfig(**{"image_size": 224, "width": 8, **change})
    assert caught.value.field == field


def test_a_wasserstein_critic_cannot_have_batch_norm():
    with pytest.raises(FieldError, match="norm"):
        CriticConfig(loss="wasserstein", norm="batch")
