"""The command `study.figures`, on small studies that were really trained: what is made, what is said of the rest."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.catalogue import read_catalogue
from study.figures import main
from study.paper_figures.data import read_source
from tests.study.small_studies import PAPER_ABLATION, snapshot


@pytest.fixture(scope="module")
def chain(paper_results, tmp_path_factory) -> tuple[Path, dict[str, str], str]:
    """All figures of the ablation, chained with the second study: the folder, the digests before, what was printed."""
    out = tmp_path_factory.mktemp("figures") / "chain"
    before = snapshot(paper_results)
    assert main(["ablation", "--results", str(paper_results), "--stage2", "stage2", "--out", str(out), "-n", "24"]) == 0
    return out, before, (out / "captions.md").read_text()


def section(captions: str, name: str) -> str:
    found = re.search(rf"## {name}\n\n!\[.*?\n\n(.*?)\n\n", captions + "\n\n", re.S)
    assert found is not None, name
    return found[1]


def test_an_ablation_with_a_second_stage_has_the_papers_figures(chain):
    out, _, _ = chain
    names = {path.name for path in out.iterdir()}
    assert names == {
        "captions.md",
        "figure_2_kernel_size.png",
        "figure_3_dropout.png",
        "figure_5_enlarged.png",
        "figure_6_chain.png",
        "figure_7_closest_match.png",
        "figure_7_distances.png",
        "figure_8_histograms_64.png",
        "figure_9_histograms_chain.png",
        "real_and_generated.png",
        "training_progress.png",
        "ablation_width_and_batch.png",
    }
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            assert image.width >= 1500 and np.asarray(image.convert("L")).std() > 5


def test_a_missing_figure_says_what_would_make_it(chain):
    _, _, captions = chain
    said = captions.split("## Not made")[1]
    assert "figure 4: needs a study of a DCGAN at 128 px" in said and "search_spaces/dcgan128.yaml" in said
    assert "losses: the losses are in the study's MLflow store" in said
    assert said.count("\n- ") == 2


def test_the_study_is_left_as_it_was(paper_results, chain):
    _, before, _ = chain
    assert snapshot(paper_results) == before


def test_captions_state_data_n_epochs_and_trial(chain):
    _, _, captions = chain
    for name in ("Figure 2", "Figure 3", "Figure 6", "Figure 7", "Figure 8", "Figure 9", "Training"):
        text = section(captions, name)
        assert "synthetic galaxies" in text and "60 to train on, 40 as reference (held out" in text
        assert "Study ablation" in text and re.search(r"trial 000\d, epoch [12] of 2", text)
    assert "K = 6: trial 0001" in section(captions, "Figure 2")
    assert "n = 20 generated" in section(captions, "Figure 8")
    assert "n = 24 generated" in section(captions, "Figure 9")
    assert "Stage-II: Study stage2, trial 0000, epoch 1 of 1" in section(captions, "Figure 9")
    assert "Reference at 128 px: that of stage2" in section(captions, "Figure 9")


def test_histogram_caption_has_the_failure_shares_of_the_catalogues(paper_results, chain):
    source = read_source(paper_results / "ablation")
    _, folder = source.judged(source.leader)
    shares = [(read_catalogue(path)["status"] != "ok").mean() for path in (
        paper_results / "ablation/reference.parquet", folder / "generated.parquet")]  # fmt: skip
    expected = f"Without a fit: {shares[0]:.1%} of the real, {shares[1]:.1%} of the generated"
    assert expected in section(chain[2], "Figure 8")


def test_a_study_at_128_px_has_figure_4(paper_results, tmp_path, capfd):
    assert (
        main(["dropout128", "--results", str(paper_results), "--out", str(tmp_path), "--format", "pdf", "-n", "20"])
        == 0
    )
    said = capfd.readouterr().out
    assert "figure_4_dcgan_128.pdf" in said and "histograms.pdf" in said
    assert "figure 8           not made: needs a study of a DCGAN at 64 px" in said
    text = section((tmp_path / "captions.md").read_text(), "Figure 4")
    assert "Dropout to the end D width 2: trial 0000" in text
    assert "Dropout removed after epoch 1 D width 2: trial 0001" in text


def test_a_study_of_the_second_stage_enlarges_real_galaxies_only(paper_results, tmp_path, capfd):
    assert main(["stage2", "--results", str(paper_results), "--out", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "figure_5_enlarged.png" in said
    for number in (6, 9):
        assert f"figure {number}           not made: needs the chain" in said
    assert "figure 7           not made: needs galaxies from noise" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ablatoin"], "studies there: ablation, dropout128, stage2"),
        (["ablation", "-n", "1"], "-n 1: expected 2 or more"),
        (["ablation", "--stage2", "nowhere"], "no such study or file"),
        (["ablation", "--stage2", "dropout128"], "a study of dcgan, which enlarges nothing"),
    ],
)
def test_bad_input_is_one_message_and_makes_nothing(paper_results, tmp_path, capfd, arguments, message):
    out = tmp_path / "figures"
    assert main([*arguments, "--results", str(paper_results), "--out", str(out)]) == 2
    errors = capfd.readouterr().err
    assert message in errors and "Traceback" not in errors
    assert not out.exists()


def test_a_study_without_trials_has_no_figure_yet(tmp_path, capfd):
    folder = tmp_path / "ablation"
    folder.mkdir()
    (folder / "study.yaml").write_text(PAPER_ABLATION)
    assert main([str(folder), "--out", str(tmp_path / "figures")]) == 1
    assert "no figure can be made yet" in capfd.readouterr().out
