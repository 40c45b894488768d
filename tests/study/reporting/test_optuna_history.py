"""Importances and reasons, from the search's history."""

from __future__ import annotations

import re

import optuna
import pytest

from study.reporting.data import read_study
from study.reporting.optuna_history import reasons
from study.reporting.page import page
from study.results.trials import TrialRow


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


def test_the_rule_of_a_stop_is_told_with_its_numbers(young):
    """The third of three trials at the first rung is worst, and one in three goes on."""

    def row(number: int, objective: float, ending: str) -> TrialRow:
        evaluation = {"epoch": 1, "objective": objective, "time": float(number)}
        return TrialRow(f"{number:04d}", "search", {}, 0, ending, 1, (evaluation,), None, young.folder)

    rows = [row(0, 0.2, "running"), row(1, 0.3, "running"), row(2, 0.5, "stopped early"), row(3, 0.1, "failed")]
    found = reasons(young.study, rows, {"0003": "no memory"})
    assert found["0003"] == "no memory" and set(found) == {"0002", "0003"}
    assert found["0002"] == ("0.500 at rung 1; to go on it took at most 0.267, the best 1/3 of 3 trials there")
