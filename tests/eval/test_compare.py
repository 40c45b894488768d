"""`python -m eval.compare` from end to end: on images, arrays and catalogues, and on wrong input."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.catalogue import read_catalogue
from eval.compare import main
from eval.distances import compare

ROOT = Path(__file__).resolve().parents[2]


def galaxies(n: int, seed: int, *, flattening: float = 0.6, size: int = 32) -> np.ndarray:
    """(n, size, size, 3) uint8: elliptical exponential discs of random angle on noisy sky."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle, axis = rng.uniform(0, np.pi, (n, 1, 1)), rng.uniform(flattening, 1, (n, 1, 1))
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    radius = np.hypot(along, across / axis) / rng.uniform(2, 4, (n, 1, 1))
    grey = 15 + rng.uniform(80, 200, (n, 1, 1)) * np.exp(-radius)
    images = grey[..., None] * [1.0, 0.8, 0.6] + rng.normal(0, 2, (n, size, size, 3))
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """A folder of 60 pictures and one that is none."""
    folder = tmp_path_factory.mktemp("real")
    for index, image in enumerate(galaxies(60, 1, flattening=0.85)):
        Image.fromarray(image).save(folder / f"{index:02d}.png")
    (folder / "broken.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """An array of 50 flatter galaxies, as a generator returns them."""
    path = tmp_path_factory.mktemp("generated") / "generated.npy"
    np.save(path, galaxies(50, 2, flattening=0.15) / 127.5 - 1)
    return path


def test_images_to_catalogues_table_and_figures(real, generated, tmp_path, capsys):
    assert main([str(real), str(generated), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"real.parquet", "generated.parquet", "comparison.json", "histograms.png", "spectra.png"}
    catalogues = [read_catalogue(tmp_path / "out" / f"{side}.parquet") for side in ("real", "generated")]
    assert [len(catalogue) for catalogue in catalogues] == [60, 50]
    assert catalogues[0]["id"][0] == "00.png"
    summary = json.loads((tmp_path / "out" / "comparison.json").read_text())
    expected = compare(*catalogues)
    assert summary["metrics"]["ks_mean"] == expected.ks_mean
    assert summary["metrics"].items() >= expected.metrics().items()
    assert summary["metrics"]["spectrum"] > 0
    assert summary["real"]["skipped"].keys() == {"broken.png"}
    assert f"{expected.ks['ellipticity']:.3f}" in printed and f"{expected.floor:.3f}" in printed
    assert "1 file skipped" in printed and "mean power spectrum [dex]" in printed
    assert expected.ks["ellipticity"] > 1.2 * expected.floor_95  # flatter galaxies

    catalogue = str(tmp_path / "out" / "real.parquet")
    assert main([catalogue, str(generated), "--out", str(tmp_path / "again")]) == 0
    assert not (tmp_path / "again" / "spectra.png").exists()
    again = json.loads((tmp_path / "again" / "comparison.json").read_text())
    assert again["metrics"].items() <= summary["metrics"].items()


def test_size_and_limit_hold_for_both_sides(real, generated, tmp_path):
    command = [str(real), str(generated), "--out", str(tmp_path), "--size", "16", "--limit", "12", "--jobs", "1"]
    assert main(command) == 0
    summary = json.loads((tmp_path / "comparison.json").read_text())
    for side in ("real", "generated"):
        assert summary[side]["n"] == 12 and summary[side]["image_shape"] == [16, 16, 3]


def test_catalogues_measured_differently_are_refused(real, tmp_path, capsys):
    from eval.catalogue import write_catalogue
    from eval.measure import measure
    from eval.settings import MeasurementSettings

    images = galaxies(3, 1)
    for name, sma0 in (("a", 20.0), ("b", 10.0)):
        write_catalogue(measure(images, settings=MeasurementSettings(sma0=sma0)), tmp_path / f"{name}.parquet")
    command = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "measured differently (sma0 = 20.0" in capsys.readouterr().err
    # An unmeasured side takes the settings of the measured one.
    assert main([str(real), str(tmp_path / "b.parquet"), "--out", str(tmp_path / "out")]) == 0
    assert read_catalogue(tmp_path / "out" / "real.parquet").attrs["measurement"]["sma0"] == 10.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{tmp}/nowhere", "{generated}"], "nowhere does not exist"),
        (["{real}", "{tmp}/nowhere.parquet"], "no catalogue at"),
        (["{real}", "{generated}", "--size", "48"], "smaller than the asked 48 px"),
        (["{real}", "{generated}", "--limit", "0"], "limit = 0 does not work"),
        (["{real}", "{generated}", "--jobs", "0"], "jobs = 0 does not work"),
        (["{real}", "{tmp}/flux.npy"], "fluxes have different units"),
        (["{real}", "{generated}", "--out", "{generated}"], "cannot be written"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(arguments, message, real, generated, tmp_path, capsys):
    np.save(tmp_path / "flux.npy", galaxies(3, 1).astype(np.float32) * 100)
    places = {"real": real, "generated": generated, "tmp": tmp_path}
    arguments = [argument.format(**places) for argument in arguments]
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "out")]
    assert main([*arguments, *out]) == 2
    captured = capsys.readouterr()
    assert message in captured.err.replace("\n", " ") and captured.err.count("error: ") == 1
    assert not list((tmp_path / "out").glob("*"))


def test_an_unknown_option_is_exit_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["a", "b", "--engine", "sextractor"])
    assert stop.value.code == 2
    assert "invalid choice: 'sextractor'" in capsys.readouterr().err


def test_an_interrupt_is_exit_130_and_leaves_nothing(tmp_path):
    np.save(tmp_path / "many.npy", np.tile(galaxies(100, 1), (200, 1, 1, 1)))
    many, out = str(tmp_path / "many.npy"), tmp_path / "out"
    command = [sys.executable, "-m", "eval.compare", many, many, "--jobs", "1", "--out", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in errors and "Traceback" not in errors
    assert not list(out.iterdir())
