"""The agreement table: what it counts, and the command end to end on a few images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eval.crosscheck import agreement, main

ROOT = Path(__file__).resolve().parents[2]


def rows(ellipticity, angle, flux, size, status=None):
    count = len(ellipticity)
    status = status or ["ok" if np.isfinite(value) else "failed" for value in ellipticity]
    columns = {"ellipticity": ellipticity, "position_angle": angle, "flux": flux, "semi_major_axis": size}
    return pd.DataFrame({"id": range(count), **columns, "status": status})


def test_agreement_counts_verdicts_sizes_and_differences():
    nan = np.nan
    first = rows(
        [0.1, 0.2, 0.3, nan, nan], [89.0, 0.0, 5.0, nan, nan], [100.0, 10.0, 10.0, nan, nan], [20, 22, 22, nan, nan]
    )
    second = rows(
        [0.1, 0.25, nan, nan, 0.9], [-89.0, 0.0, nan, nan, 1.0], [101.0, 10.0, nan, nan, 3.0], [20, 24.2, nan, nan, 20]
    )
    found = agreement(first, second)
    assert found.verdicts == {("ok", "ok"): 2, ("ok", "failed"): 1, ("failed", "failed"): 1, ("failed", "ok"): 1}
    assert found.same_verdict == 0.6 and found.same_size == 0.5
    assert found.differences["position_angle"] == pytest.approx((2.0, 2.0, 2.0))  # across the turn from 90 to -90
    assert found.differences["flux"] == pytest.approx((0.01, 0.01, 0.01))
    # Failures are one value below all others, here two of five in each, so only measured values differ.
    assert found.ks["ellipticity"] == pytest.approx(0.2)
    assert agreement(first, first).ks_mean == 0.0


def test_agreement_needs_the_same_images():
    with pytest.raises(ValueError, match="2 and 1 rows"):
        agreement(rows([0.1, 0.2], [0, 0], [1, 1], [20, 20]), rows([0.1], [0], [1], [20]))


def test_the_command_prints_the_table_and_keeps_what_photutils_measured(tmp_path):
    y, x = np.mgrid[:64, :64] - 31.5
    rng = np.random.default_rng(4)
    images = [40 + 180 * np.exp(-np.hypot(x, y / q) / 5) + rng.normal(0, 2, x.shape) for q in (0.45, 0.6)]
    np.save(tmp_path / "images.npy", np.stack(images).clip(0, 255).astype(np.uint8)[..., np.newaxis])
    command = [sys.executable, "-m", "eval.crosscheck", str(tmp_path / "images.npy"), "--cache", str(tmp_path / "kept")]
    done = subprocess.run([*command, "--perturbed", "1"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert "Verdicts of 2 images" in done.stdout and "KS semi_major_axis" in done.stdout
    assert "photutils+noise, n=1" in done.stdout and "Traceback" not in done.stderr
    assert len(list((tmp_path / "kept").glob("*.parquet"))) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["absent"], "absent"), (["x.npy", "-n", "0"], "-n 0"), (["x.npy", "--jobs", "-1"], "--jobs -1")],
)
def test_wrong_input_is_one_line_and_status_2(arguments, told, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert told in error and "\n" not in error
