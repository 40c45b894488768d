"""The options of `python -m eval.enhancement`; what it does with them: `tests/eval/cli/test_enhancement.py`."""

from __future__ import annotations

import pytest

from eval.enhancement import main, parser
from eval.statistics.detections import DetectionSettings


def test_the_threshold_is_that_of_the_library_unless_given():
    assert parser().parse_args(["a", "b", "c"]).threshold == DetectionSettings().threshold
    assert parser().parse_args(["a", "b", "c", "--threshold", "4"]).threshold == 4


def test_three_collections_are_asked_for(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["a", "b"])
    assert stop.value.code == 2 and "TARGETS" in capsys.readouterr().err


def test_one_that_is_absent_is_one_line(tmp_path, capsys):
    assert main([*(str(tmp_path / name) for name in "abc"), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("error: ") == 1
