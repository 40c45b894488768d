"""What a search over enhancers minimises."""

import numpy as np
import pytest

from eval.metrics import PAIRS
from study.tasks.enhancement.objective import PairObjective


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [("psnr", 30.0, -30.0), ("gain", -0.2, 0.2), ("bias/flux", -0.3, 0.3), ("spectrum", 0.2, 0.2)],
)
def test_the_search_minimises_whatever_the_sense_of_the_metric(name, value, wanted):
    objective = PairObjective()
    assert objective.costs({name: value}, (name,)) == {name: wanted}
    assert objective.shown(name, wanted) == (abs(value) if name == "bias/flux" else value)
    worst = objective.costs({name: value}, (name,), diverged=True)[name]
    assert np.isfinite(worst) and worst > wanted


def test_what_could_not_be_computed_is_the_worst():
    objective = PairObjective()
    for name in PAIRS.objectives:
        assert objective.costs({}, (name,))[name] == objective.costs({name: 1.0}, (name,), diverged=True)[name]
        assert np.isfinite(objective.costs({}, (name,))[name])


def test_words():
    objective = PairObjective()
    assert objective.heading("psnr") == "psnr" and objective.heading("bias/flux") == "|bias/flux|"
    assert objective.order(("psnr", "gain")) == "largest is best"
    assert objective.order(("bias/flux",)) == "nearest 0 is best"
    assert objective.order(("psnr", "spectrum")) == "psnr: largest, spectrum: smallest"
    assert "1,234 pairs" in objective.final_note(1234)
