"""Tasks without labels and with them: learnt, not leaked, repeatable."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.datasets.synthetic import draw
from gan.enhance.models.feature_network import FeatureConfig
from gan.enhance.training.feature_training import FeatureTraining, Instance, train_features, view

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def galaxies() -> np.ndarray:
    return draw(64, size=16, seed=1, jobs=1)[0]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.mark.parametrize("task", ["instance", "labels"])
def test_a_task_is_learnt(galaxies, task):
    """Labels: whether the galaxy was made redder, which no orientation hides."""
    classes = np.arange(len(galaxies)) % 2
    images = galaxies.copy()
    images[classes == 1, ..., 0] = 255 - images[classes == 1, ..., 0]
    training = FeatureTraining(task=task, epochs=8, batch_size=16, lr=5e-3, held_out=0.25)
    result = train_features(images, FeatureConfig(width=4, levels=3), training, classes=classes, device="cpu")
    assert result.losses[-1] < 0.92 * result.losses[0]
    assert result.accuracy > {"instance": 4 * result.chance, "labels": 0.9}[task]
    assert {"instance": result.chance == 1 / 31, "labels": 0.5 <= result.chance < 0.8}[task]


def test_rotations_of_what_has_no_orientation_cannot_be_learnt():
    """Noise looks alike from all sides: an accuracy above chance would be a leak of the answer."""
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), np.uint8)
    training = FeatureTraining(task="rotation", epochs=2, batch_size=16, held_out=0.5)
    result = train_features(images, FeatureConfig(width=4, levels=2), training, device="cpu")
    assert result.chance == 0.25
    assert result.accuracy < 0.45


def test_the_same_seed_trains_the_same_features(galaxies):
    training = FeatureTraining(epochs=1, batch_size=16)
    runs = [train_features(galaxies, FeatureConfig(width=4, levels=2), training, device="cpu") for _ in range(2)]
    for key, value in runs[0].network.state_dict().items():
        assert torch.equal(value, runs[1].network.state_dict()[key]), key


def test_answers_of_the_instance_task_are_the_other_view():
    class Echo(torch.nn.Module):
        def forward(self, images):
            return images.mean((2, 3))

    images = torch.zeros(3, 8, 8, 3, dtype=torch.uint8)
    for i in range(3):
        images[i, ..., i] = 200  # one colour each: views stay closest to themselves
    logits, answers = Instance()(Echo(), images, torch.arange(3), torch.Generator().manual_seed(0))
    assert answers.tolist() == [3, 4, 5, 0, 1, 2]
    assert torch.equal(logits.argmax(1), answers)


def test_views_stay_in_range_and_differ():
    images = noise(4, 3, 16, 16)
    rng = torch.Generator().manual_seed(0)
    one, other = view(images, rng), view(images, rng)
    assert one.shape == images.shape
    assert one.abs().max() <= 1
    assert not torch.equal(one, other)
