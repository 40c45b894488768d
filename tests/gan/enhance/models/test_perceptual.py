"""Features for the perceptual loss: taken from a file or from torchvision, compared, refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.datasets.synthetic import draw
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, GeneratorPhase, LossConfig, UNetConfig
from gan.enhance.models.feature_network import FeatureConfig, FeatureNetwork, save_features
from gan.enhance.models.perceptual import feature_loss
from gan.enhance.training import checkpoint as enhance_checkpoint
from gan.enhance.training.trainer import EnhanceTrainer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def galaxies() -> np.ndarray:
    return draw(64, size=16, seed=1, jobs=1)[0]


@pytest.fixture
def features(tmp_path) -> str:
    """A file with an untrained network: enough to compare images with."""
    torch.manual_seed(0)
    save_features(FeatureNetwork(FeatureConfig(width=4, levels=3)), tmp_path / "f.pt", {"task": "none"})
    return str(tmp_path / "f.pt")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


def test_the_loss_is_zero_for_equal_images_and_grows_with_blur(features):
    loss = feature_loss(features, channels=3)
    images = noise(2, 3, 16, 16)
    assert loss(images, images) == 0
    little, much = (torch.nn.functional.avg_pool2d(images, k, 1, k // 2) for k in (3, 7))
    assert 0 < loss(images + 0.01 * noise(2, 3, 16, 16, seed=1), images) < loss(little, images) < loss(much, images)


def test_gradients_reach_the_made_image_and_nothing_else(features):
    loss = feature_loss(features, channels=3).train()
    made, target = (noise(2, 3, 16, 16, seed=s).requires_grad_() for s in (0, 1))
    loss(made, target).backward()
    assert made.grad.abs().sum() > 0
    assert target.grad is None
    assert not any(module.training for module in loss.modules())
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_weights_of_torchvision_from_a_file(tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(0)
    torch.save(get_model("resnet18", weights=None).state_dict(), tmp_path / "w.pth")
    loss = feature_loss(f"torchvision:resnet18={tmp_path / 'w.pth'}", channels=3)
    images = noise(1, 3, 32, 32)
    assert loss(images, images) == 0
    assert loss(images.flip(2), images) > 0
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(FieldError, match="as torchvision stores them"):
        feature_loss(f"torchvision:resnet18={tmp_path / 'other.pth'}", channels=3)


@pytest.mark.parametrize(
    ("given", "channels", "said"),
    [
        ("nowhere.pt", 3, "no such file"),
        ("torchvision:lenet", 3, "vgg16"),
        ("torchvision:vgg16", 5, "3 channels"),
        ("torchvision:vgg16=nowhere.pth", 3, "nowhere.pth"),
    ],
)
def test_features_that_cannot_be_had_are_refused(given, channels, said):
    with pytest.raises(FieldError, match=said) as caught:
        feature_loss(given, channels=channels)
    assert caught.value.field == "loss.features"


def test_features_of_other_bands_are_refused(features):
    with pytest.raises(FieldError, match="5 channels"):
        feature_loss(features, channels=5)


def test_a_training_with_a_perceptual_term_and_its_checkpoint(features, galaxies, tmp_path):
    train = EnhanceTrainConfig(
        batch_size=16,
        precision="float32",
        generator=GeneratorPhase(epochs=8, lr=3e-3),
        loss=LossConfig(pixel_weight=0.0, perceptual_weight=1.0, features=features),
    )
    model, critic = UNetConfig(image_size=16, depth=1, width=4), CriticConfig(width=4)
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(galaxies).permute(0, 3, 1, 2).float(), 3, 1, 1)
    pairs = blurred.permute(0, 2, 3, 1).to(torch.uint8).numpy(), galaxies
    trainer = EnhanceTrainer(model, critic, train, *pairs, device="cpu")
    results = [trainer.train_epoch() for _ in range(8)]
    assert results[-1].extra["loss/perceptual"] < 0.9 * results[0].extra["loss/perceptual"]
    enhance_checkpoint.save(trainer, tmp_path / "c.pt")
    torch.manual_seed(1)
    save_features(FeatureNetwork(FeatureConfig(width=4, levels=3)), features, {})
    other = EnhanceTrainer(model, critic, train, *pairs, device="cpu")
    with pytest.raises(enhance_checkpoint.CheckpointError, match=r"loss\.features"):
        enhance_checkpoint.load(other, tmp_path / "c.pt")
    plain = dataclasses.replace(train, loss=LossConfig())
    with pytest.raises(enhance_checkpoint.CheckpointError, match=r"loss\.features"):
        enhance_checkpoint.load(EnhanceTrainer(model, critic, plain, *pairs, device="cpu"), tmp_path / "c.pt")
