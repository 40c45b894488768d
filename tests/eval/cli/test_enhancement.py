"""python -m eval.enhancement."""

import json

import numpy as np
import pandas as pd
from PIL import Image

from eval.enhancement import main
from eval.statistics.fidelity import PSNR_LIMIT


def test_command_pairs_by_name_and_writes_everything(stacks, tmp_path, capsys):
    inputs, targets = stacks
    for name, images, suffix in (
        ("inputs", inputs, "png"),
        ("predictions", targets, "png"),
        ("targets", targets, "tif"),
    ):
        (tmp_path / name).mkdir()
        for i, image in enumerate(images[: 5 if name == "inputs" else 4]):
            Image.fromarray(image).save(tmp_path / name / f"galaxy{i}.{suffix}")
    (tmp_path / "targets" / "broken.png").write_bytes(b"")
    out = tmp_path / "out"
    sides = [str(tmp_path / name) for name in ("inputs", "predictions", "targets")]
    assert main([*sides, "--out", str(out), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "4 galaxies" in printed and "1 of 5 inputs" in printed and "broken.png" in printed
    summary = json.loads((out / "enhancement.json").read_text())
    assert summary["metrics"]["psnr"] == PSNR_LIMIT and summary["n"] == 4
    assert pd.read_parquet(out / "galaxies.parquet")["id"].tolist() == [f"galaxy{i}" for i in range(4)]
    assert {"detections.parquet", "enhancement.png"} <= {file.name for file in out.iterdir()}


def test_command_says_what_does_not_pair(stacks, tmp_path, capsys):
    inputs, targets = stacks
    for name, stack in (("inputs", inputs), ("targets", targets), ("short", targets[:5])):
        np.save(tmp_path / f"{name}.npy", stack)
    paths = [str(tmp_path / f"{name}.npy") for name in ("inputs", "short", "targets")]
    assert main([*paths, "--out", str(tmp_path / "out")]) == 2
    assert "5 predictions" in capsys.readouterr().err
    assert main([*paths[:2], str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 2
    assert list((tmp_path / "out").iterdir()) == []
