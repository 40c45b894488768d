"""What a finished study tells its user to do next."""

import shlex
from pathlib import Path

import pytest

from study.config import load_study
from study.generate import parser

SPACES = Path(__file__).resolve().parents[2] / "search_spaces"


@pytest.mark.parametrize(
    ("space", "settings", "expected"),
    [
        ("dcgan64.yaml", (), {"model": "best.pt", "enlarge": None}),
        ("stackgan.yaml", ("objective.stage1=first.pt",), {"model": "first.pt", "enlarge": "best.pt"}),
        ("stackgan.yaml", (), {"model": "STAGE1", "enlarge": "best.pt"}),
    ],
)
def test_the_command_that_makes_galaxies_is_one_that_generate_takes(space, settings, expected):
    study = load_study(SPACES / space, settings)
    command = shlex.split(study.kind.use(study, Path("best.pt")).partition(":")[2])
    assert command[:3] == ["python", "-m", "study.generate"]
    taken = vars(parser().parse_args(command[3:]))
    assert {name: taken[name] for name in expected} == expected
