"""Paired effects in closed form, on rows made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from rich.console import Console
from scipy import stats

from study.config import load_study
from study.config.search_space import one_at_a_time
from study.results.ablation import Effect, ablation, effects_table, explanation
from study.results.trials import TrialRow

SPACES = Path(__file__).resolve().parents[3] / "search_spaces"
PROPERTIES = ("ellipticity", "position_angle", "flux", "semi_major_axis")
SPACE = """
study: pairs
data: {set: synthetic}
model: {width: 16}
train: {epochs: 4, batch_size: 32}
objective: {samples: 200, every_epochs: 1}
search: {sampler: ablation, repeats: 3, scheduler: {judge_over: 2}}
axes:
  model.kernel_size: {choice: [4, 6]}
  train.label_smoothing: {choice: [0.0, 0.3]}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    return load_study(tmp_path / "space.yaml")


def row(role, point, seed, values, *, ending="complete", tie=0.01, rankable=True) -> TrialRow:
    """A trial whose evaluations have these values, for the mean and, shifted, for each property."""
    evaluations = tuple(
        {
            "epoch": epoch,
            "objective": value,
            "rankable": rankable,
            "metrics": {"ks_mean": value, "ks_tie": tie}
            | {f"ks/{name}": value + 0.01 * i for i, name in enumerate(PROPERTIES)},
        }
        for epoch, value in enumerate(values, 1)
    )
    name = f"{role}-{seed}"
    return TrialRow(name, role, point, seed, ending, len(values), evaluations, None, Path(name))


KERNEL, SMOOTH = {"model.kernel_size": 6}, {"train.label_smoothing": 0.3}


def test_effect_spread_and_interval_in_closed_form(study):
    """Differences 0.02, 0.04, 0.06: mean 0.04, sd 0.02, 95% interval t(0.975, 2) 0.02 / sqrt 3."""
    rows = [row("baseline", {}, seed, [0.9, 0.10, 0.12]) for seed in range(3)]
    for seed, shift in enumerate((0.0, 0.02, 0.04)):
        rows.append(row("model.kernel_size", KERNEL, seed, [0.9, 0.12 + shift, 0.14 + shift]))
    main = ablation(study, rows)[0].main
    assert main.differences == pytest.approx((0.02, 0.04, 0.06))
    assert main.mean == pytest.approx(0.04)
    assert main.spread == pytest.approx(0.02)
    assert main.half_width == pytest.approx(stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3))
    assert main.half_width == pytest.approx(4.30265 * 0.011547, rel=1e-5)
    # 0.04 +- 0.0497: the seeds differ too much to say, though the noise of drawing galaxies is smaller.
    assert main.verdict == "within the spread of seeds"
    assert main.in_words() == "within the spread of seeds (+0.040 ± 0.050)"


def test_only_the_last_evaluations_count_as_many_as_the_scheduler_judges(study):
    rows = [row("baseline", {}, 0, [0.01, 0.30, 0.50]), row("model.kernel_size", KERNEL, 0, [0.99, 0.10, 0.20])]
    assert ablation(study, rows)[0].main.mean == pytest.approx(0.15 - 0.40)


@pytest.mark.parametrize(
    ("differences", "tie", "verdict", "words"),
    [
        ((0.04, 0.041, 0.039), 0.01, "worse", "worse by 0.040 ± 0.002"),
        ((-0.04, -0.041, -0.039), 0.01, "better", "better by 0.040 ± 0.002"),
        ((0.004, 0.0041, 0.0039), 0.01, "within the noise", "within the noise (+0.004 ± 0.000)"),
        ((0.1, -0.1, 0.09), 0.01, "within the spread of seeds", None),
        ((0.04,), 0.01, "worse", "worse by 0.040 (one seed)"),
        ((0.004,), 0.01, "within the noise", "within the noise (+0.004)"),
        ((0.0, 0.0), None, "within the noise", None),
        ((), 0.01, "not run", "not run"),
    ],
)
def test_verdicts_in_words(differences, tie, verdict, words):
    effect = Effect("ks_mean", differences, tie)
    assert effect.verdict == verdict
    if words is not None:
        assert effect.in_words() == words


def test_the_noise_of_a_mean_shrinks_with_the_seeds_and_is_twice_for_one_property(study):
    rows = [row("baseline", {}, seed, [0.1, 0.1], tie=0.02) for seed in range(2)]
    rows += [row("model.kernel_size", KERNEL, seed, [0.1, 0.1]) for seed in range(2)]
    effects = ablation(study, rows)[0].effects
    assert effects[0].noise == pytest.approx(0.02 / math.sqrt(2))
    assert [e.metric for e in effects[1:]] == [f"ks/{name}" for name in PROPERTIES]
    assert effects[1].noise == pytest.approx(2 * effects[0].noise)


def test_pairs_are_of_one_seed_and_trials_that_did_not_end_are_left_out(study):
    """Seeds differ by 0.3 from each other and every pair by 0.05: unpaired means would hide it."""
    rows = [row("baseline", {}, seed, [0.1 + 0.3 * seed] * 2) for seed in range(3)]
    rows += [row("model.kernel_size", KERNEL, seed, [0.15 + 0.3 * seed] * 2) for seed in range(2)]
    rows += [row("model.kernel_size", KERNEL, 2, [0.9] * 2, ending="running")]
    kernel, smooth = ablation(study, rows)
    assert kernel.main.differences == pytest.approx((0.05, 0.05))
    assert (kernel.main.pairs, kernel.asked) == (2, 3)
    assert kernel.main.verdict == "worse"
    assert (smooth.main.pairs, smooth.main.verdict, smooth.agreement) == (0, "not run", "not run")


def test_a_diverged_trial_counts_with_its_worst_value(study):
    rows = [row("baseline", {}, 0, [0.1, 0.1]), row("model.kernel_size", KERNEL, 0, [1.0, 1.0], ending="diverged")]
    assert ablation(study, rows)[0].main.mean == pytest.approx(0.9)


def test_agreement_with_the_paper(study):
    def levels(kernel: float, smooth: float):
        rows = [row("baseline", {}, seed, [0.2, 0.2]) for seed in range(2)]
        rows += [row("model.kernel_size", KERNEL, seed, [0.2 + kernel] * 2) for seed in range(2)]
        rows += [row("train.label_smoothing", SMOOTH, seed, [0.2 + smooth] * 2) for seed in range(2)]
        return [level.agreement for level in ablation(study, rows)]

    assert levels(0.1, 0.0) == ["agrees", "agrees"]
    assert levels(-0.1, 0.1) == ["differs", "differs"]
    assert levels(0.0, -0.1) == ["not seen in this measure", "differs"]


def test_where_hardly_any_galaxy_has_a_fit_nothing_is_said(study):
    rows = [row("baseline", {}, 0, [0.9, 0.9], rankable=False), row("model.kernel_size", KERNEL, 0, [0.99, 0.99])]
    levels = ablation(study, rows)
    assert levels[0].agreement == "too few fits to say"
    assert any("fewer than 70%" in line for line in explanation(study, levels))


def test_the_table_shows_effects_and_the_papers_words(study):
    rows = [row("baseline", {}, seed, [0.2, 0.2]) for seed in range(3)]
    rows += [row("model.kernel_size", KERNEL, seed, [0.3, 0.3]) for seed in range(3)]
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    levels = ablation(study, rows)
    console.print(effects_table(study, levels))
    text = console.export_text()
    assert "worse by 0.100 ± 0.000" in text and "asymmetric galaxies, sharp cut-offs" in text and "+0.100*" in text
    assert "kernel_size=6" in text and "3/3" in text and "0/3" in text
    said = " ".join(explanation(study, levels))
    assert "0.010/sqrt(seeds)" in said and "3 seeds" in said


@pytest.mark.parametrize("smoke", [False, True])
def test_the_papers_ablation_moves_one_factor_and_repeats_nothing(smoke):
    study = load_study(SPACES / "paper_ablation.yaml", smoke=smoke)
    points = [{}, *(point for _, point in one_at_a_time(study.axes, study.value))]
    settings = [study.configure(point, 0) for point in points]
    assert len(settings) == len(set(settings)) == 10
    if not smoke:
        assert study.trials == 30 and study.train.epochs == 100
        widths = {(m.width, m.effective_discriminator_width, t.batch_size) for m, t in settings}
        assert widths == {(128, 128, 32), (32, 32, 128), (64, 64, 128), (128, 128, 128)}
