"""What the commands of eval share."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from common.progress import ProgressBar
from eval.cli.options import add_measurement_options, load_side, parser_of, run_evaluation, skipped_files


def command(tmp_path):
    made = parser_of("eval.demo", "Do it.\n\n    python -m eval.demo\n\nAnd this is how.", default_out="out")
    add_measurement_options(made)
    return made


def test_the_help_is_the_docstring_without_its_usage(tmp_path):
    text = command(tmp_path).format_help()
    assert "Do it." in text and "And this is how." in text and text.count("python -m eval.demo") == 1


@pytest.mark.parametrize("error", [ValueError("limit = 0"), OSError("the disk went away")])
def test_wrong_input_is_one_line_and_exit_2(tmp_path, capsys, error):
    def run(options, console, bars):
        raise error

    assert run_evaluation(command(tmp_path), ["--out", str(tmp_path / "out")], run) == 2
    assert capsys.readouterr().err.strip() == f"error: {error}"


def test_a_command_that_ends_gives_0_and_has_its_folder(tmp_path):
    seen = []
    assert run_evaluation(command(tmp_path), ["--out", str(tmp_path / "new")], lambda *given: seen.append(given)) == 0
    assert (tmp_path / "new").is_dir() and seen[0][0].engine == "fast"


def test_files_that_are_no_images_are_counted_and_one_is_named(tmp_path):
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"")
    side = load_side("real", str(tmp_path), None, None, ProgressBar(quiet=True))
    (line,) = skipped_files("real", side)
    assert line.startswith("real: 1 file skipped, such as bad.png: ")
