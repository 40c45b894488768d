"""Studies of GANs: what a finished one tells its user to do next."""

import shlex
from pathlib import Path

import pytest

from study.config import load_study
from study.generate import parser
from study.tasks.generation.final_judge import GalaxyFinalJudge
from study.tasks.generation.task import GalaxyResults, generation_task
from study.tasks.registry import task_of

SPACES = Path(__file__).resolve().parents[4] / "search_spaces"


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
    command = shlex.split(task_of(study).results.use(Path("best.pt")).partition(":")[2])
    assert command[:3] == ["python", "-m", "study.generate"]
    taken = vars(parser().parse_args(command[3:]))
    assert {name: taken[name] for name in expected} == expected


def test_galaxies_are_compared_with_a_catalogue(tmp_path):
    results = generation_task(load_study(SPACES / "quickstart.yaml")).results
    assert isinstance(results, GalaxyResults)
    with pytest.raises(ValueError, match="reference: expected the catalogue"):
        results.final_judge(None, None, 1)
    assert isinstance(results.final_judge(object(), None, 1), GalaxyFinalJudge)


def test_plotting_an_evaluation_draws_its_histograms(results, tmp_path):
    import shutil

    home = shutil.copytree(results / "search", tmp_path / "search")
    folder = home / "trials" / "0000" / "evaluations" / "epoch-00002"
    generation_task(load_study(home / "study.yaml")).results.plot_evaluation(folder)
    assert (folder / "histograms.png").stat().st_size > 1000
