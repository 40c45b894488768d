"""Galaxies of any family: from noise, from a first stage, from the sky."""

import numpy as np
import pytest
import torch

from gan.models import build
from gan.sample import enlarge, sample
from gan.training.checkpoint import load_generator
from study.tasks.generation.sampling import Sampling, input_size, sizes, training_images
from tests.study.tasks.generation.sets import ENLARGER, KEPT, SMALL, divided
from tests.study.trained import trained


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return divided(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def networks():
    generators = {model.family: build(model, rng=torch.Generator().manual_seed(0))[0] for model in (SMALL, ENLARGER)}
    return {family: network.eval() for family, network in generators.items()}


def test_sides_by_family():
    assert (input_size(SMALL), sizes(SMALL)) == (None, (16,))
    assert (input_size(ENLARGER), sizes(ENLARGER)) == (16, (16, 32))


def test_training_images_are_those_of_the_rows(files):
    _, galaxies = files
    rows = np.array([3, 1])
    assert (training_images(galaxies, SMALL, rows) == galaxies.images(16)[rows]).all()
    both = training_images(galaxies, ENLARGER, rows)
    assert set(both) == {16, 32} and all((both[side] == galaxies.images(side)[rows]).all() for side in both)


def test_noise_becomes_galaxies_the_same_in_parts_as_whole(files, networks):
    sampling, network = Sampling(files[0], SMALL), networks["dcgan"]
    assert not sampling.enlarges_real and sampling.count(1000) == 1000
    whole = sampling.sample(network, 70, seed=5)
    assert (whole == sample(network, 70, seed=5)).all()
    assert (sampling.sample(network, 9, seed=5, start=61) == whole[61:]).all()
    assert (whole != sampling.sample(network, 70, seed=6)).any()


def test_without_a_first_stage_the_reference_galaxies_are_enlarged(files, networks):
    sampling, network = Sampling(files[0], ENLARGER), networks["stackgan"]
    assert sampling.enlarges_real and sampling.count(1000) == KEPT and sampling.count(3) == 3
    small = files[1].images(16)[-KEPT:]
    assert (sampling.real_inputs(2, 5) == small[2:5]).all()
    drawn = sampling.sample(network, 4, seed=9, start=1)
    assert drawn.shape == (4, 32, 32, 3) and (drawn == enlarge(network, small[1:5])).all()


def test_with_a_first_stage_its_galaxies_are_enlarged(files, networks, tmp_path):
    first = trained(tmp_path / "first.pt", SMALL)
    given = files[0].__class__(**{**vars(files[0]), "stage1": first})
    sampling, network = Sampling(given, ENLARGER), networks["stackgan"]
    assert not sampling.enlarges_real and sampling.count(1000) == 1000
    generator, _ = load_generator(first)
    chained = sampling.chained(network)
    z = torch.zeros(1, SMALL.latent_dim)
    with torch.inference_mode():
        assert torch.equal(chained.eval()(z), network((generator(z) + 1) / 2))
    assert (sampling.sample(network, 3, seed=1) == sample(chained, 3, seed=1)).all()
    assert sampling.without_stage1.enlarges_real and sampling.without_stage1.model is ENLARGER


def test_a_generator_from_noise_has_no_first_stage(files, networks, tmp_path):
    given = files[0].__class__(**{**vars(files[0]), "stage1": tmp_path / "absent.pt"})
    assert Sampling(given, SMALL).chained(networks["dcgan"]) is networks["dcgan"]
