"""`python -m gan.pairs` against a local server that answers as hips2fits does, and fails as services do."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gan import pairs
from gan.datasets.pair_set import PairSet
from gan.images.hips2fits import Service, Unreachable


def table(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def run(path, out, server, *more):
    options = ["--server", server.url, "--rate", "50", "--pause", "0.01", "--size", "32", "--jobs", "1", "--quiet"]
    return pairs.main([str(path), "--out", str(out), *options, *map(str, more)])


def test_positions_become_a_pair_set_on_one_grid(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[150.0, 10.5, 200.0], dec=[2.0, -1.0, -50.0], size=[60.0, None, 80.0],
                 id=["a", "b/../c", "south"], label=["spiral", "smooth", "spiral"])  # fmt: skip
    assert run(path, tmp_path / "out", server, "--scale", 2) == 0
    printed = capsys.readouterr().out
    assert "2 pairs of 3 positions" in printed and "no-coverage" in printed and "south" in printed
    made = PairSet.open(tmp_path / "out" / "set")
    assert made.inputs.shape == (2, 32, 32, 3) and made.targets.shape == (2, 64, 64, 3)
    assert made.labels.tolist() == ["spiral", "smooth"] and made.index["ra"].tolist() == [150.0, 10.5]
    for shallow, deep in zip(made.inputs, made.targets, strict=True):  # the same sky, pixel upon pixel
        reduced = np.asarray(Image.fromarray(deep).resize((32, 32), Image.Resampling.BOX)).mean(axis=2)
        assert np.corrcoef(shallow.mean(axis=2).ravel(), reduced.ravel())[0, 1] > 0.95
    asked = server.state["requests"][0][1]
    assert asked["hips"] == pairs.INPUT_SURVEY and float(asked["fov"]) == pytest.approx(60 / 3600)
    assert float(server.state["requests"][2][1]["fov"]) == pytest.approx(90 / 3600)  # the row without a size
    assert not [file for file in (tmp_path / "out").rglob("*") if file.name.startswith(".pairs")]


def test_what_was_fetched_is_not_fetched_again(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[1.0, 2.0], dec=[0.0, -60.0])
    assert run(path, tmp_path / "out", server) == 0
    before = len(server.state["requests"])
    assert run(path, tmp_path / "out", server) == 0
    assert len(server.state["requests"]) == before and "no-coverage" in capsys.readouterr().out
    table(tmp_path / "t.csv", ra=[1.0, 2.0, 3.0], dec=[0.0, -60.0, 1.0])
    assert run(path, tmp_path / "out", server) == 0
    assert len(server.state["requests"]) == before + 2
    assert len(PairSet.open(tmp_path / "out" / "set")) == 2
    assert run(path, tmp_path / "out", server, "--scale", 2) == 2
    assert "other settings" in capsys.readouterr().err


def test_a_service_that_stays_silent_ends_the_run_and_keeps_what_is_there(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=np.arange(6.0), dec=np.zeros(6))
    server.state["troubles"] = []
    assert run(table(tmp_path / "one.csv", ra=[0.0], dec=[0.0]), tmp_path / "out", server) == 0
    server.state["troubles"] = [(500, {}, b"")] * 100
    assert run(path, tmp_path / "out", server, "--tries", 2) == 1
    assert "no answer" in capsys.readouterr().err
    assert len(server.state["requests"]) == 2 + 3 * 2  # three rows, twice each
    server.state["troubles"] = []
    assert run(path, tmp_path / "out", server) == 0
    assert len(PairSet.open(tmp_path / "out" / "set")) == 6
    with pytest.raises(Unreachable):
        Service("http://127.0.0.1:9/none", rate=50, tries=2, pause=0).cutout("x", 1, 0, 60, 32)


def test_rows_that_are_no_positions_are_refused_one_by_one(server, tmp_path, capsys):
    path = table(tmp_path / "t.csv", ra=[5.0, 400.0, "x", 5.0], dec=[1.0, 0.0, 0.0, 1.0])
    assert run(path, tmp_path / "out", server) == 0
    printed = capsys.readouterr().out
    assert printed.count("bad-position:") == 2 and printed.count("duplicate-row:") == 1


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"alpha": [1.0], "dec": [2.0]}, (), "no column 'ra'"),
        ({"ra": [999.0], "dec": [2.0]}, (), "no row that can be asked for"),
        ({"ra": [1.0], "dec": [2.0]}, ("--scale", 3), "scale"),
        ({"ra": [1.0], "dec": [2.0]}, ("--server", "ftp://x"), "server"),
        ({"ra": [1.0], "dec": [2.0]}, ("--rate", 0), "rate"),
    ],
)
def test_wrong_input_is_one_message(server, tmp_path, capsys, columns, options, message):
    assert run(table(tmp_path / "t.csv", **columns), tmp_path / "out", server, *options) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert server.state["requests"] == []
