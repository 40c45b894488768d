"""What every task must have."""

from pathlib import Path

import numpy as np
import pytest

from eval.distances import compare
from eval.measure import measure
from eval.statistics.enhancement import judge
from study.tasks.task import TaskObjective, TaskResults


def test_no_figure_of_an_evaluation_is_taken_for_news_of_the_trial():
    news = {"failed", "traceback", "final", "diverged", "resumed", "halt", "epoch", "objective", "history", "clock"}
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32] - 15.5
    disc = 30 + 180 * np.exp(-np.hypot(y, x / 0.7) / 4)[..., np.newaxis]
    images = np.clip(disc + rng.normal(0, 3, (8, 32, 32, 3)), 0, 255).astype(np.uint8)
    enhanced = judge(images, images[::-1], images)
    drawn = compare(measure(images), measure(images[::-1]))
    for metrics in (enhanced.metrics(), drawn.metrics()):
        assert len(metrics) > 10
        assert not news & set(metrics)


def test_a_task_that_forgets_a_method_fails_when_it_is_defined():
    with pytest.raises(TypeError, match="Forgetful lacks final_judge, plot_evaluation"):

        class Forgetful(TaskResults):
            def use(self, checkpoint):
                return ""

    with pytest.raises(TypeError, match="lacks costs"):
        type("Nothing", (TaskObjective,), {})


def test_what_a_complete_task_inherits_counts():
    class Whole(TaskResults):
        def final_judge(self, reference, files, cpus): ...

        def plot_evaluation(self, folder): ...

        def use(self, checkpoint): ...

    class Changed(Whole):
        def use(self, checkpoint):
            return "nothing"

    assert Changed(None).use(Path()) == "nothing"
