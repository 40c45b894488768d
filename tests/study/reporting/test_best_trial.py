"""The parts of a report on what was found."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from study.reporting.best_trial import best_trial, compared, distances_table, effects_table
from study.reporting.data import read_study


@pytest.fixture(scope="module")
def data(results):
    return read_study(results / "search")


def picture(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def texts_of(table):
    return [[cell.text for cell in line.cells] for line in table.lines]


def test_the_best_trial_has_its_settings_galaxies_and_histograms(data):
    best = best_trial(data)
    leader = data.rows[0]
    assert best.settings[0][0] == "trial" and best.settings[0][1].startswith(leader.name)
    assert [name for name, _ in best.settings[1:]] == [p.rpartition(".")[2].replace("_", " ") for p in data.paths]
    ((uri, caption),) = best.pictures
    shown = leader.folder / "evaluations" / f"epoch-{leader.best['epoch']:05d}" / "samples.png"
    assert np.array_equal(picture(uri), np.asarray(Image.open(shown)))
    assert caption == f"Generated: trial {leader.name}, epoch {leader.best['epoch']}, not selected."
    assert picture(best.histograms).std() > 0


def test_reference_galaxies_stand_beside_where_the_set_is_there(data):
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    (_, (uri, caption)) = best_trial(dataclasses.replace(data, reference_images=images)).pictures
    assert caption == "Synthetic galaxies of the reference, not selected."
    assert np.array_equal(picture(uri)[2:18, 2:18], images[0])


def test_before_the_first_evaluation_there_is_no_best_trial(data):
    failed = next(row for row in data.rows if not row.evaluations)
    for rows in ([], [failed]):
        empty = dataclasses.replace(data, rows=rows, judged=[])
        assert best_trial(empty) is None and distances_table(empty) is None and compared(empty) == ""


def test_what_is_compared_is_said(data):
    assert compared(data) == "40 real and 50 generated galaxies; the galaxies that chose the epoch"
    fresh = dataclasses.replace(data.judged[0], final=True)
    assert compared(dataclasses.replace(data, judged=[fresh])).endswith("which chose neither trial nor epoch")


def test_every_distance_stands_in_units_of_its_floor(data):
    table = distances_table(data)
    (found,) = data.judged
    by_label = {line.cells[0].text: line.cells for line in table.lines if line.css != "group"}
    flux = by_label["flux"]
    floor, value = found.metrics["floor/ks/flux"], found.metrics["ks/flux"]
    assert (flux[1].text, flux[2].text, flux[2].small) == (f"{floor:.3f}", f"{value:.3f}", f"{value / floor:.1f}×")
    assert ("near" in flux[2].css) == (value <= found.metrics["floor_95/ks/flux"])
    share = by_label["share"]
    assert share[1].text == f"{found.comparison.failed['real']:.1%}"
    assert share[2].text.startswith(f"{found.comparison.failed['generated']:.1%}")


def test_a_metric_that_one_finalist_lacks_is_a_dash(data):
    (found,) = data.judged
    lacking = dataclasses.replace(found, metrics={k: v for k, v in found.metrics.items() if k != "ks/flux"})
    table = distances_table(dataclasses.replace(data, judged=[found, lacking]))
    flux = next(line.cells for line in table.lines if line.cells[0].text == "flux")
    assert flux[3].text == "–" and flux[2].text != "–" and len(table.heads) == 4


def test_values_at_the_floor_are_marked_and_those_above_are_not(data):
    (found,) = data.judged
    changed = {"floor/ks/flux": 0.1, "floor_95/ks/flux": 0.2}
    for value, near in ((0.2, True), (0.21, False)):
        judged = dataclasses.replace(found, metrics={**found.metrics, **changed, "ks/flux": value})
        table = distances_table(dataclasses.replace(data, judged=[judged]))
        flux = next(line.cells for line in table.lines if line.cells[0].text == "flux")
        assert ("near" in flux[2].css) is near and flux[2].small == f"{value / 0.1:.1f}×"


def test_effects_of_an_ablation_with_the_papers_words(results, data):
    assert effects_table(data) is None
    ablation = read_study(results / "ablation")
    table = effects_table(ablation)
    assert len(table.lines) == len(ablation.levels) == 2
    for line, level in zip(texts_of(table), ablation.levels, strict=True):
        assert line[0] == level.label and line[1] == "2/2" and line[2].rstrip(" !") == level.main.in_words()
        assert line[-1] == level.agreement and len(line) == len(table.heads)
    assert [line.cells[2].css for line in table.lines] == [lv.main.verdict.split()[0] for lv in ablation.levels]
