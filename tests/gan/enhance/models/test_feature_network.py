"""The features network: its maps, and its file."""

import pytest
import torch

from common.errors import FieldError
from gan.enhance.models.feature_network import FeatureConfig, FeatureNetwork, load_features, save_features
from gan.training.checkpoint import CheckpointError, write

CONFIG = FeatureConfig(width=4, levels=3, outputs=5)


def test_maps_halve_and_widen_from_level_to_level():
    network = FeatureNetwork(CONFIG)
    images = torch.zeros(2, 3, 16, 16)
    assert [tuple(found.shape) for found in network.maps(images)] == [(2, 4, 16, 16), (2, 8, 8, 8), (2, 16, 4, 4)]
    assert network.embed(images).shape == (2, 16) and network(images).shape == (2, 5)


def test_a_network_comes_back_with_the_facts_about_it(tmp_path):
    network = FeatureNetwork(CONFIG).eval()
    save_features(network, tmp_path / "f.pt", {"task": "labels"})
    loaded, facts = load_features(tmp_path / "f.pt")
    images = torch.rand(2, 3, 16, 16)
    assert facts == {"task": "labels"} and loaded.config == CONFIG and not loaded.training
    assert torch.equal(loaded(images), network(images))


def test_files_of_something_else_are_refused(tmp_path):
    write({"kind": "enhancer"}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="no features network"):
        load_features(tmp_path / "c.pt")


@pytest.mark.parametrize("wrong", [{"levels": 7}, {"levels": 0}, {"width": 0}, {"channels": 0}, {"outputs": 0}])
def test_networks_that_cannot_be_are_refused(wrong):
    with pytest.raises(FieldError, match=next(iter(wrong))):
        FeatureConfig(**wrong)
