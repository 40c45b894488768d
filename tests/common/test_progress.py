"""A bar on a terminal, a line now and then in a log, nothing when quiet."""

import io

import pytest
from rich.console import Console

from common import progress
from common.progress import ProgressBar


def shown(terminal, quiet=False):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100)
    with ProgressBar(console, quiet=quiet, unit="galaxies") as bar:
        bar.update("drawing", 10, 100)
        bar.update("drawing", 60, 100, "2 refused")
    return bar, stream.getvalue()


def test_a_terminal_shows_a_live_line():
    _, text = shown(True)
    assert "drawing" in text and "60/100" in text and "2 refused" in text


def test_a_log_gets_plain_lines(monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", -1.0)
    _, text = shown(False)
    assert text.startswith("drawing: 60 of 100, ") and "\x1b" not in text and text.count("\n") == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet_shows_nothing(terminal):
    assert shown(terminal, quiet=True)[1] == ""


def test_the_rate_leaves_out_what_was_there():
    bar, _ = shown(False)
    assert bar.made == 50 and bar.rate > 0
