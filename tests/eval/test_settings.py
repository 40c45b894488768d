"""What defines a measurement."""

from __future__ import annotations

import dataclasses
import json

import pytest

from common.errors import FieldError
from eval.settings import MeasurementSettings


def test_the_key_follows_every_setting_and_nothing_else():
    settings = MeasurementSettings()
    assert settings.key() == MeasurementSettings(**settings.as_dict()).key()
    changed = {dataclasses.replace(settings, sma0=settings.sma0 + 1).key(), settings.key()}
    assert len(changed) == 2 and all(len(key) == 12 for key in changed)


def test_settings_are_plain_values():
    assert json.loads(json.dumps(MeasurementSettings().as_dict())) == MeasurementSettings().as_dict()


def test_a_setting_out_of_range_is_named_with_what_would_do():
    with pytest.raises(FieldError, match="sma0 = 0"):
        MeasurementSettings(sma0=0)
