"""The page of a study of galaxies: complete, escaped, and in need of nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from study.reporting.data import read_study
from study.reporting.page import page


@pytest.fixture(scope="module")
def searched(results) -> str:
    return page(read_study(results / "search"))


class Tags(HTMLParser):
    """Collects what a browser would load or run, and checks that tags close in order."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "path", "polyline")

    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_the_page_needs_nothing_but_itself(searched):
    tags = parsed(searched)
    assert tags.links and all(link.startswith("data:image/png;base64,") for link in tags.links)
    assert "@import" not in searched and "url(" not in searched
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", searched)


def test_the_page_has_its_parts(searched):
    titles = re.findall(r"<h2>(.*?)</h2>", searched)
    assert titles == [
        "What was searched",
        "Trials, best first",
        "Objective against epoch",
        "What mattered",
        "The best trial",
        "Distances, each beside its floor",
        "Trials that ended before their time",
        "How to reproduce this",
    ]
    assert parsed(searched).counts["img"] == 2  # samples and histograms; the set itself is not there


def test_what_users_write_is_escaped(searched):
    assert "Is &lt;b&gt;wider&lt;/b&gt; better &amp; how much?" in searched
    assert "the &lt;GPU&gt; is gone" in searched and "<GPU>" not in searched


def test_every_trial_is_in_the_table_with_its_numbers(results, searched):
    data = read_study(results / "search")
    assert {row.name: row.ending for row in data.rows} == {
        "0000": "complete",
        "0001": "complete",
        "0002": "stopped early",
        "0003": "failed",
        "0004": "running",
    }
    table = re.search(r"<table class='sortable'>.*?</table>", searched, re.S)
    assert table is not None
    assert table[0].count("<tr") == 6
    for row in data.rows:
        if row.best:
            assert f'data-k="{row.best["objective"]}">{row.best["objective"]:.3f}</td>' in table[0]


def test_curves_of_all_trials_with_rung_and_floor(results, searched):
    assert searched.count('<g class="curve">') == 4
    assert "rung 1" in searched
    floor = read_study(results / "search").floor()
    assert floor == pytest.approx(0.8687 * np.sqrt(1 / 40 + 1 / 50), rel=1e-3)
    assert f"<title>noise floor {floor:.3f}, 95% below" in searched


def test_importances_are_not_made_up_from_few_trials(searched):
    assert "it takes 10 trials that ran to their end, and there are 2" in searched


def test_distances_stand_beside_their_floors(results, searched):
    judged = read_study(results / "search").judged
    assert len(judged) == 1 and not judged[0].final
    comparison = judged[0].comparison
    assert f"<td>flux</td><td class='n'>{comparison.floor:.3f}</td>" in searched
    assert f"{comparison.ks['flux']:.3f} <small>{comparison.ks['flux'] / comparison.floor:.1f}×</small>" in searched


def test_an_interrupted_study_says_how_to_go_on(searched):
    assert "--resume" in searched


def test_a_study_before_its_first_trial_has_a_page(young):
    text = page(read_study(young.folder))
    parsed(text)
    assert "No trial has begun." in text
    for name in ("optuna.db", "split.npz", "reference.parquet"):
        (young.folder / name).unlink()
    assert "No trial has begun." in page(read_study(young.folder))
    assert not (young.folder / "optuna.db").exists()


def test_an_ablation_shows_paired_effects_of_all_seeds(results):
    data = read_study(results / "ablation")
    text = page(data)
    parsed(text)
    assert "<h2>One factor at a time</h2>" in text
    assert len(data.levels) == 2
    for level in data.levels:
        assert level.main.pairs == 2 and level.main.in_words() in text
        assert f"<td>{level.label}</td><td class='n'>2/2</td>" in text


def test_a_second_stage_on_synthetic_galaxies_shows_its_reference(paper_results):
    text = page(read_study(paper_results / "stage2"))
    assert parsed(text).counts["img"] == 3  # samples, reference, histograms
    assert "Synthetic galaxies of the reference" in text and "mean power spectrum [dex]" in text
