"""What a search over GANs minimises."""

import numpy as np

from eval.metrics import GALAXIES
from study.tasks.generation.objective import GalaxyObjective

OBJECTIVE = GalaxyObjective()


def test_distances_are_minimised_as_they_are():
    found = {"ks_mean": 0.25, "ks_max": 0.5, "ks/flux": 0.125}
    assert OBJECTIVE.costs(found, ("ks_mean", "ks_max")) == {"ks_mean": 0.25, "ks_max": 0.5}
    assert OBJECTIVE.shown("ks_mean", 0.25) == 0.25


def test_what_could_not_be_computed_is_finite_and_no_better_than_any_value():
    for name in GALAXIES.objectives:
        worst = OBJECTIVE.costs({}, (name,))[name]
        assert np.isfinite(worst) and worst >= 1.0


def test_words():
    assert OBJECTIVE.order(("ks_mean",)) == "smaller is better" and OBJECTIVE.heading("ks_mean") == "objective"
    assert "9,000 new galaxies" in OBJECTIVE.final_note(9000)
