"""Memorisation: what is expected of honest generators, copiers and blurrers, and the command from end to end."""

import json

import numpy as np
import pandas as pd
import pytest

from eval.closest import main
from tests.eval.discs import HELD_OUT, TRAINING, images


@pytest.fixture
def files(tmp_path):
    generated = images(40, 7)
    generated[:3] = TRAINING[10:13, ::-1]
    for name, stack in (("generated", generated), ("training", TRAINING[:300]), ("held", HELD_OUT[:80])):
        np.save(tmp_path / f"{name}.npy", stack)
    return tmp_path


def test_the_command_finds_planted_copies_and_writes_tables_and_figures(files, capsys):
    out = files / "out"
    command = [str(files / "generated.npy"), str(files / "training.npy"), "--out", str(out)]
    assert main([*command, "--held-out", str(files / "held.npy")]) == 0
    names = {"closest.parquet", "closest.json", "closest_match.png", "closest_distances.png"}
    assert {file.name for file in out.iterdir()} == names
    rows = pd.read_parquet(out / "closest.parquet")
    assert rows["training_id"].tolist()[:3] == ["10", "11", "12"]
    assert rows["flip"].tolist()[:3] == ["up-down"] * 3
    assert (rows["distance"][:3] == 0).all() and (rows["distance"][3:] > 0).all()
    summary = json.loads((out / "closest.json").read_text())
    assert summary["memorisation"]["identical"] == 3
    assert summary["memorisation"]["n_held_out"] == 80
    assert "nearest real image is a training image" in capsys.readouterr().out
    # Without held-out images: distances only, and no figure of another run is left.
    assert main(command) == 0
    assert json.loads((out / "closest.json").read_text())["memorisation"] is None
    assert {file.name for file in out.iterdir()} == names - {"closest_distances.png"}
    assert "nothing to compare" in capsys.readouterr().out


def test_a_galaxy_set_can_be_split_as_training_split_it(tmp_path):
    from gan.datasets.synthetic import synthetic_set

    galaxies = synthetic_set(tmp_path / "set", 40, sizes=(32,), seed=0)
    kept, held_out = galaxies.split(0.25, 3)
    np.save(tmp_path / "copies.npy", galaxies.images(32)[[kept[5], held_out[5]]])
    command = [str(tmp_path / "copies.npy"), str(tmp_path / "set"), "--held-out", "0.25", "--split-seed", "3"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    rows = pd.read_parquet(tmp_path / "out" / "closest.parquet")
    assert rows["training_id"][0] == str(galaxies.index["id"][kept[5]])
    assert rows["distance"][0] == 0 < rows["distance"][1]  # the held-out one is not among the training images
    summary = json.loads((tmp_path / "out" / "closest.json").read_text())["memorisation"]
    assert (summary["n_training"], summary["n_held_out"]) == (30, 10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{0}/nowhere", "{0}/training.npy"], "does not exist"),
        (["{0}/generated.npy", "{0}/training.npy", "--held-out", "0.2"], "splits a galaxy set"),
        (["{0}/generated.npy", "{0}/training.npy", "--crop", "2"], "crop = 2.0 does not work"),
        (["{0}/generated.npy", "{0}/training.npy", "--jobs", "0"], "jobs = 0 does not work"),
        (["{0}/generated.npy", "{0}/training.npy", "--size", "32"], "smaller than the asked 32 px"),
        (["{0}/generated.npy", "{0}/training.npy", "--out", "{0}/held.npy"], "cannot be written"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(arguments, message, files, capsys):
    arguments = [argument.format(files) for argument in arguments]
    out = [] if "--out" in arguments else ["--out", str(files / "out")]
    assert main([*arguments, *out]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("error: ") == 1
    assert not list((files / "out").glob("*"))
