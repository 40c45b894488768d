"""What a report calls trials and settings."""

import pytest

from study.reporting.data import read_study
from study.reporting.labels import effective, trial_title, words_of
from tests.study.results.rows import trial_row


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("train.label_smoothing", "label smoothing"),
        ("train.dropout.onset_epoch", "dropout onset epoch"),
        ("width_and_batch", "width and batch"),
    ],
)
def test_paths_as_headings(path, words):
    assert words_of(path) == words


def test_roles_are_told_where_the_settings_do_not_tell_them():
    titles = {role: trial_title(trial_row("0001", role=role)) for role in ("search", "grid", "baseline", "preset:fast")}
    assert titles == {
        "search": "0001", "grid": "0001", "baseline": "0001 baseline", "preset:fast": "0001 preset:fast"
    }  # fmt: skip


def test_a_null_that_stands_for_another_setting_is_shown_as_that(results):
    data = read_study(results / "search")
    plain, wider = trial_row("0000"), trial_row("0001", point={"model.width": 3})
    own = trial_row("0002", point={"model.width": 3, "model.discriminator_width": 5})
    widths = [effective(data, row, "model.discriminator_width") for row in (plain, wider, own)]
    assert widths == [2, 3, 5]
    assert effective(data, plain, "train.discriminator_lr") == 2e-4
    assert effective(data, plain, "train.dropout.end_epoch") is None and effective(data, wider, "model.width") == 3
