"""Features for the perceptual loss: trained here, taken from torchvision, compared, refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from common.errors import FieldError
from gan.datasets.synthetic import draw, synthetic_set
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, GeneratorPhase, LossConfig, UNetConfig
from gan.enhance.features import main
from gan.enhance.models.feature_network import FeatureConfig, FeatureNetwork, load_features, save_features
from gan.enhance.models.perceptual import feature_loss
from gan.enhance.training import checkpoint as enhance_checkpoint
from gan.enhance.training.feature_training import FeatureTraining, Instance, train_features, view
from gan.enhance.training.trainer import EnhanceTrainer


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture(scope="module")
def galaxy_set(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("set") / "galaxies"
    synthetic_set(path, 48, sizes=(16,), seed=0)
    return str(path)


def test_the_command_writes_features_that_a_loss_can_use(galaxy_set, tmp_path, capsys):
    out = tmp_path / "made" / "f.pt"
    small = ["--epochs", "1", "--width", "4", "--levels", "2", "--batch-size", "8", "--device", "cpu"]
    assert main([galaxy_set, "--out", str(out), "--column", "kind", *small]) == 0
    assert "task labels" in capsys.readouterr().out
    network, facts = load_features(out)
    assert facts["classes"] == ["disc", "elliptical"]
    assert network.config.outputs == 2
    assert feature_loss(str(out), channels=3)(noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "labels"], "--column"),
        (["--column", "nonsense"], "kind"),
        (["--column", "id"], "48 different values"),
        (["--epochs", "0"], "epochs"),
        (["--batch-size", "4000"], "batch_size"),
        (["--levels", "6"], "halved"),
        (["--size", "64"], "64 px"),
        (["--device", "nonsense"], "device"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(galaxy_set, tmp_path, capsys, options, said):
    out = tmp_path / "f.pt"
    assert main([galaxy_set, "--out", str(out), "--quiet", "--width", "2", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()
