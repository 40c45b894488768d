"""Importances and reasons, from the search's history."""

from __future__ import annotations

import re

import optuna
import pytest

from study.reporting.data import read_study
from study.reporting.page import page


def test_importances_of_enough_trials(young):
    """The objective depends on one of two axes only, and that one gets nearly all the importance."""
    history = young.history
    space = {
        "model.width": optuna.distributions.CategoricalDistribution(["2", "3"]),
        "train.label_smoothing": optuna.distributions.CategoricalDistribution(["0.0", "0.3"]),
    }
    for number in range(40):
        width, smoothing = ("2", "3")[number % 2], ("0.0", "0.3")[number // 2 % 2]
        value = (0.5 if width == "2" else 0.2) + number * 1e-5
        params = {"model.width": width, "train.label_smoothing": smoothing}
        history.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=value))
    data = read_study(young.folder)
    found = data.importances
    assert isinstance(found, dict)
    assert found["model.width"] > 0.95 and sum(found.values()) == pytest.approx(1)
    shares = re.findall(
        r"<tr><th>(.*?)</th><td><i style='width:(\d+%)'></i></td><td class='n'>(\d+%)</td></tr>", page(data)
    )
    assert shares[0][0] == "width" and shares[0][1] == shares[0][2] == f"{found['model.width']:.0%}"
