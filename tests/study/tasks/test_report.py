"""What comes back from a worker."""

import json
from pathlib import Path

from study.tasks.report import EvaluationReport


def report(**fields):
    return EvaluationReport(
        **{
            "trial": "0003", "epoch": 20, "objective": 0.25, "objectives": {"ks_mean": 0.25},
            "metrics": {"ks_mean": 0.25, "ks/flux": 0.5}, "rankable": True, "folder": Path("/x/epoch-00020"),
            "time": 1000.0, **fields,
        }
    )  # fmt: skip


def test_ray_carries_facts_and_metrics_side_by_side():
    carried = report(final=True, seconds={"sample": 1.0}).as_report()
    assert carried["ks/flux"] == 0.5 and carried["objective"] == 0.25 and carried["final"] is True
    assert carried["evaluation"] == "/x/epoch-00020" and carried["rankable"] is True
    assert json.loads(json.dumps(carried)) == carried, "plain values"


def test_facts_win_over_a_metric_of_their_name():
    assert report(metrics={"epoch": -1.0, "time": -1.0}).as_report()["epoch"] == 20


def test_what_is_written_holds_no_metric_twice():
    facts = report(diverged="a loss is not finite").facts()
    assert "metrics" not in facts and "ks/flux" not in facts and "folder" not in facts
    assert facts["diverged"] == "a loss is not finite" and facts["trial"] == "0003"
