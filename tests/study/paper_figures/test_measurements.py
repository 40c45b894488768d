"""Figures of measurements: closest matches and histograms, with the numbers of their captions."""

import dataclasses
import re

import numpy as np
import pytest

from eval.catalogue import read_catalogue
from eval.distances import compare
from eval.statistics.nearest import centre, nearest
from gan.sample import sample
from gan.training.checkpoint import load_generator
from study.paper_figures import measurements
from study.paper_figures.chain import find_stage2
from study.paper_figures.data import FigureUnavailable, read_source
from study.paper_figures.request import FigureRequest
from study.results.history import Split


def request(home, name, stage2=None, n=12, told=None):
    source = read_source(home / name)
    said = told if told is not None else []
    return FigureRequest(source, find_stage2(stage2, home) if stage2 else None, n, lambda *facts: said.append(facts))


def test_the_closest_match_is_of_fresh_galaxies_and_training_ones(paper_results):
    told = []
    asked = request(paper_results, "ablation", told=told)
    made = measurements.closest_match(asked)
    assert "the closest of n = 12." in made.caption and told[-1] == ("matching", 12 * 60, 12 * 60)
    source = asked.source
    generator, _ = load_generator(source.checkpoint(source.leader)[0])
    drawn = centre(sample(generator, 12, seed=source.leader.seed + 1_000_003))
    training = centre(source.galaxy_set.images(64))[source.split.train]
    distances = nearest(drawn, training, crop=1.0).distance
    shown = " ".join(text.get_text() for axis in made.figure.axes for text in [*axis.texts, axis.title])
    shown += " ".join(axis.get_xlabel() for axis in made.figure.axes)
    numbers = [float(n) for n in re.findall(r"\d+\.\d+", shown)]
    assert any(abs(n - distances.min()) < 0.06 for n in numbers), (numbers, distances.min())


def test_distances_need_galaxies_that_were_held_out(paper_results):
    asked = request(paper_results, "ablation")
    made = measurements.nearest_distances(asked)
    assert "12 generated and 40 held-out real galaxies" in made.caption
    rows = np.arange(100)
    source = dataclasses.replace(asked.source, split=Split(rows, rows))
    with pytest.raises(FigureUnavailable, match="held out of training"):
        measurements.nearest_distances(dataclasses.replace(asked, source=source))


def test_enlarged_real_galaxies_are_not_matched(paper_results):
    for maker in (measurements.closest_match, measurements.nearest_distances):
        with pytest.raises(FigureUnavailable, match="whose nearest are themselves"):
            maker(request(paper_results, "stage2"))


def test_histograms_are_of_the_studys_own_catalogues(paper_results):
    asked = request(paper_results, "ablation")
    made = measurements.sixty_four(asked)
    _, folder = asked.source.judged(asked.source.leader)
    real, drawn = (read_catalogue(p) for p in (asked.source.folder / "reference.parquet", folder / "generated.parquet"))
    found = compare(real, drawn)
    assert f"n = {found.n_generated:,} generated (blue line) and {found.n_real:,} real galaxies" in made.caption
    assert f"{found.failed['generated']:.1%} of the generated" in made.caption
    assert made.caption.startswith("As figure 8") and "The galaxies of the search." in made.caption
    with pytest.raises(FigureUnavailable, match="needs a study of a DCGAN at 64 px"):
        measurements.sixty_four(request(paper_results, "dropout128"))


def test_a_second_stage_on_real_galaxies_says_so(paper_results):
    made = measurements.study_histograms(request(paper_results, "stage2"))
    assert made.caption.startswith("As figure 9")
    texts = [text.get_text() for text in made.figure.texts] + [made.figure.get_suptitle()]
    assert any("Shapes of galaxies: enlarged, 128 px" in text for text in texts), texts


def test_the_chain_is_drawn_and_measured_in_blocks(paper_results, monkeypatch):
    told = []
    monkeypatch.setattr(measurements, "BLOCK", 8)
    made = measurements.chain_histograms(request(paper_results, "ablation", "stage2", n=20, told=told))
    drawing = [facts[1:] for facts in told if facts[0] == "drawing and measuring the chain"]
    assert drawing == [(8, 20), (16, 20), (20, 20)]
    assert "n = 20 generated" in made.caption and "and 40 real galaxies" in made.caption
    assert "Reference at 128 px: that of stage2, held out of the second stage's training." in made.caption


@pytest.mark.parametrize("name", ["stage2", "ablation"])
def test_without_both_stages_there_is_no_chain(paper_results, name):
    with pytest.raises(FigureUnavailable, match="needs the chain"):
        measurements.chain_histograms(request(paper_results, name))


def test_a_catalogue_that_is_gone_is_said(paper_results, tmp_path):
    asked = request(paper_results, "ablation")
    elsewhere = dataclasses.replace(asked.source, folder=tmp_path)
    with pytest.raises(FigureUnavailable, match="a catalogue of the study cannot be read"):
        measurements.study_histograms(dataclasses.replace(asked, source=elsewhere))
