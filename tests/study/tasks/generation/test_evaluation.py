"""One evaluation of generated galaxies: distances, catalogue, pictures."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from eval.catalogue import read_catalogue
from eval.distances import compare
from eval.measure import measure
from eval.metrics import GALAXIES, Sample
from gan.datasets.synthetic import draw
from study.tasks.generation.evaluation import GRID_IMAGES, diverged, evaluate, judge
from study.tasks.generation.objective import GalaxyObjective


@pytest.fixture(scope="module")
def galaxies():
    images, _ = draw(160, size=64, seed=1)
    return images, measure(images)


def test_galaxies_against_themselves_are_at_no_distance(galaxies):
    images, catalogue = galaxies
    found = judge(images, catalogue, Sample(catalogue, images))
    assert found.rankable and found.metrics["ks_mean"] == 0.0
    assert all(found.metrics[f"ks/{name}"] == 0.0 for name in ("flux", "ellipticity", "semi_major_axis"))
    assert found.metrics["spectrum"] == pytest.approx(0.0, abs=1e-9)


def test_a_known_shift_has_its_known_distance(galaxies):
    """All generated galaxies brighter than every real one: the two distributions do not overlap."""
    images, catalogue = galaxies
    fitted = catalogue[catalogue["status"] == "ok"].reset_index(drop=True)
    brighter = fitted.assign(flux=fitted["flux"] + 2 * fitted["flux"].max())
    found = judge(images, brighter, Sample(fitted, images))
    assert found.metrics["ks/flux"] == pytest.approx(1.0) and found.metrics["ks/ellipticity"] == 0.0


def test_numbers_are_those_of_eval(galaxies):
    images, catalogue = galaxies
    real, drawn = catalogue.iloc[:80].reset_index(drop=True), images[80:]
    found = evaluate(drawn, Sample(real, images[:80]), engine="fast", jobs=1)
    again = compare(real, measure(drawn))
    assert found.metrics["ks_mean"] == pytest.approx(again.metrics()["ks_mean"])
    assert all(np.isfinite(value) for value in found.metrics.values())
    assert 0 < found.metrics["ks_mean"] < 0.5


def test_what_cannot_be_fitted_is_not_worth_ranking(galaxies):
    images, catalogue = galaxies
    noise = np.random.default_rng(0).integers(0, 12, (60, 64, 64, 3), np.uint8)
    found = evaluate(noise, Sample(catalogue, images), engine="fast", jobs=1)
    assert not found.rankable and found.metrics["failed/generated"] > 0.5


def test_files_are_catalogue_and_samples_the_account_last(galaxies, tmp_path):
    images, catalogue = galaxies
    found = judge(images, catalogue, Sample(catalogue, images))
    found.write(tmp_path / "e", {"epoch": 2, "objective": 0.0})
    account = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert account == {"epoch": 2, "objective": 0.0, "metrics": found.metrics, "rankable": True}
    pd.testing.assert_frame_equal(read_catalogue(tmp_path / "e" / "generated.parquet"), catalogue, check_dtype=False)
    sheet = np.asarray(Image.open(tmp_path / "e" / "samples.png"))
    assert sheet.shape[0] < 9 * 64 * 1.1, f"{GRID_IMAGES} of them"
    assert {p.name for p in (tmp_path / "e").iterdir()} == {"evaluation.json", "generated.parquet", "samples.png"}


def test_a_diverged_trial_is_the_worst_in_everything(tmp_path):
    found = diverged()
    objective = GalaxyObjective()
    for name in GALAXIES.objectives:
        assert objective.costs(found.metrics, (name,))[name] == GALAXIES[name].worst
    assert not found.rankable and found.metrics["failed/generated"] == 1.0
    found.write(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["evaluation.json"]
