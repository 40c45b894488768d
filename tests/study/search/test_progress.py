"""What the user sees while a study runs."""

import io

import pytest
from rich.console import Console

from study.search.progress import Progress
from study.tasks.job import TrialSpec


def trial(number, point=None, role="search"):
    return TrialSpec(
        number=number, name=f"{number:04d}", role=role, point=point or {}, model={}, train={}, epochs=10, judged_from=1
    )


BASELINE, WIDER = trial(0, role="baseline"), trial(1, {"model.width": 8})


def in_file(total=4, **options):
    text = io.StringIO()
    return Progress(Console(file=text, width=60), total, **options), text


def test_in_a_file_each_evaluation_is_a_line():
    progress, text = in_file()
    with progress:
        progress.started(WIDER)
        progress.reported(WIDER, {"epoch": 3, "images_per_second": 1234.0})
        progress.reported(WIDER, {"epoch": 4, "objective": 0.25, "ks_floor": 0.0126})
    line = "trial 0001 epoch 4/10, 1,234 images/s, objective 0.250 (floor 0.013)  [width=8]\n"
    assert text.getvalue() == line


def test_a_baseline_is_labelled_by_its_role_and_divergence_is_said():
    progress, text = in_file(shown="KS {:.1f}".format)
    progress.started(BASELINE)
    progress.reported(BASELINE, {"epoch": 2, "objective": 1.0, "diverged": "a loss is not finite"})
    said = text.getvalue()
    assert "KS 1.0 diverged: a loss is not finite  [baseline]" in said


def test_ends_are_counted_with_the_best_so_far():
    progress, text = in_file(done={"complete": 1, "stopped early": 0, "failed": 0})
    for each, value in ((BASELINE, 0.3), (WIDER, 0.2)):
        progress.started(each)
        progress.reported(each, {"epoch": 10, "objective": value})
    progress.ended(BASELINE, "complete")
    progress.ended(WIDER, "stopped early")
    progress.ended(trial(2), "failed")
    lines = [line for line in text.getvalue().splitlines() if "/4 trials" in line]
    assert lines[0].startswith("trial 0000 complete at epoch 10/10") and "2/4 trials, best objective 0.200" in lines[0]
    assert "3/4 trials, 1 stopped early, best objective 0.200 (trial 0001), about 0 s left" in lines[1]
    assert lines[2] == "trial 0002 failed  4/4 trials, 1 stopped early, 1 failed, best objective 0.200 (trial 0001)"


def test_the_time_left_follows_from_the_trials_of_this_run_alone(monkeypatch):
    monkeypatch.setattr("study.search.progress.time.time", lambda: 1000.0)
    progress, text = in_file(total=10, done={"complete": 6})
    monkeypatch.setattr("study.search.progress.time.time", lambda: 1600.0)
    progress.ended(BASELINE, "complete")
    assert "7/10 trials, about 30 min left" in text.getvalue(), "600 s for one trial, three to go"


def test_a_report_may_come_before_the_start_after_a_resume():
    progress, text = in_file()
    progress.reported(WIDER, {"epoch": 7, "objective": 0.5})
    assert "trial 0001 epoch 7/10" in text.getvalue()


def test_text_of_others_is_not_taken_for_markup():
    progress, text = in_file()
    progress.say("trial 0001: [red]broken[/red] " + "x" * 100)
    assert text.getvalue() == "trial 0001: [red]broken[/red] " + "x" * 100 + "\n"


@pytest.mark.parametrize("objective", [None, 0.25])
def test_on_a_terminal_the_lines_of_running_trials_are_redrawn(objective):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=100, force_terminal=True), 4)
    with progress:
        progress.started(WIDER)
        news = {} if objective is None else {"objective": objective}
        progress.reported(WIDER, {"epoch": 3, "images_per_second": 50.0, **news})
        assert "[width=8]" not in text.getvalue(), "an evaluation is no line of its own"
    said = text.getvalue()
    assert "trial 0001" in said and "epoch 3/10, 50 images/s" in said and "0/4 trials" in said
    assert ("objective 0.250" in said) == (objective is not None)
