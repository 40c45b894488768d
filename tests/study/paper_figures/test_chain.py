"""The networks of the chain."""

import dataclasses
import shutil

import pytest
import torch

from common.errors import InputError
from gan.training.checkpoint import load_enlarger, load_generator
from study.paper_figures.chain import chain_of, enlarger_of, find_stage2
from study.paper_figures.data import FigureUnavailable, read_source
from study.tasks.generation.final_judge import FRESH_SEED


@pytest.fixture(scope="module")
def stage2(paper_results):
    return find_stage2("stage2", paper_results)


def test_a_second_stage_is_found_by_its_study_its_checkpoint_or_their_folder(paper_results, stage2, tmp_path):
    source = read_source(paper_results / "stage2")
    path, epoch = source.checkpoint(source.leader)
    assert stage2.source.study.name == "stage2" and stage2.model.image_size == 128
    assert (
        stage2.words
        == f"Stage-II: Study stage2, trial {source.leader.name}, epoch {epoch} of 1 (stackgan, width 2, batch 10)."
    )
    (tmp_path / "best").mkdir()
    shutil.copy(path, tmp_path / "best" / "checkpoint.pt")
    weights = stage2.network.state_dict()
    for given in (path, path.parent, tmp_path, tmp_path / "best"):
        found = find_stage2(str(given), paper_results)
        assert found.source is None and found.words.endswith(", width 2.")
        assert all(torch.equal(weights[key], value) for key, value in found.network.state_dict().items())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nowhere", "--stage2 'nowhere': no such study or file"),
        ("ablation", "--stage2 ablation: a study of dcgan, which enlarges nothing"),
    ],
)
def test_what_enlarges_nothing_is_refused(paper_results, given, says):
    with pytest.raises(InputError, match=says):
        find_stage2(given, paper_results)


def test_a_checkpoint_of_a_generator_from_noise_is_refused(paper_results):
    source = read_source(paper_results / "dropout128")
    path, _ = source.checkpoint(source.leader)
    with pytest.raises(InputError, match="--stage2"):
        find_stage2(str(path), paper_results)
    (path.parent / "text.pt").write_text("no checkpoint")
    with pytest.raises(InputError, match="--stage2"):
        find_stage2(str(path.parent / "text.pt"), paper_results)
    (path.parent / "text.pt").unlink()


def test_the_chain_is_the_studys_generator_before_the_named_stage(paper_results, stage2):
    source = read_source(paper_results / "ablation")
    chain = chain_of(source, stage2)
    path, _ = source.checkpoint(source.leader)
    first, _ = load_generator(path)
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(chain.network(z), stage2.network((first(z) + 1) / 2))
    assert chain.seed == source.leader.seed + FRESH_SEED
    assert chain.words.startswith("First stage: Study ablation, trial ") and stage2.words in chain.words


def test_a_second_stage_has_the_first_that_its_study_names(paper_results):
    source = read_source(paper_results / "stage2")
    with pytest.raises(FigureUnavailable, match="needs the chain"):
        chain_of(source, None)
    dcgan = read_source(paper_results / "ablation")
    path, _ = dcgan.checkpoint(dcgan.leader)
    objective = dataclasses.replace(source.study.objective, stage1=str(path))
    named = dataclasses.replace(source, study=dataclasses.replace(source.study, objective=objective))
    chain = chain_of(named, None)
    assert chain.words.startswith(f"First stage: {path}. Stage-II: Study stage2, trial ")
    own, _ = load_enlarger(source.checkpoint(source.leader)[0])
    ours = chain.network.stage2.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in own.state_dict().items())


def test_stages_that_do_not_fit_or_are_not_there_are_said(paper_results, stage2):
    with pytest.raises(FigureUnavailable, match="needs the chain"):
        chain_of(read_source(paper_results / "ablation"), None)
    with pytest.raises(FigureUnavailable, match="needs a Stage-II: name one with --stage2"):
        enlarger_of(read_source(paper_results / "ablation"), None)
    with pytest.raises(FigureUnavailable, match="draws images of 128 px, but the second enlarges images of 64 px"):
        chain_of(read_source(paper_results / "dropout128"), stage2)
    assert enlarger_of(read_source(paper_results / "ablation"), stage2) is stage2


def test_a_study_of_enlargers_takes_its_own_best(paper_results):
    source = read_source(paper_results / "stage2")
    found = enlarger_of(source, None)
    assert found.source is source and found.words.startswith("Stage-II: Study stage2, trial ")
