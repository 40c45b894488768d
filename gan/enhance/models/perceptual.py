"""Perceptual loss: how differently a fixed network sees two images.

Source: Johnson et al. 2016, arXiv:1603.08155.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from common.errors import require
from gan.training.checkpoint import CheckpointError, checksum

TORCHVISION = "torchvision:"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAYERS = {  # where a network has no entry, the outputs of its first children are taken
    "vgg16": ("features.8", "features.15", "features.22"),  # relu2_2, relu3_3, relu4_3
    "vgg19": ("features.8", "features.17", "features.26"),  # relu2_2, relu3_4, relu4_4
    "alexnet": ("features.4", "features.7", "features.11"),
    "resnet18": ("layer1", "layer2", "layer3"),
    "resnet34": ("layer1", "layer2", "layer3"),
    "resnet50": ("layer1", "layer2", "layer3"),
}
ACCEPTED = (
    "a file made by python -m gan.enhance.features, torchvision:NAME, or torchvision:NAME=WEIGHTS.pth with NAME one of "
    + ", ".join(LAYERS)
)


class FeatureLoss(nn.Module):
    """Mean absolute difference of maps, each level in units of the target's mean absolute value, averaged over levels.

    The network is frozen and in evaluation mode always; gradients go to the first image only.

    Attributes
    ----------
    fingerprint : str
        Of the weights: the same if and only if the loss is the same.
    """

    def __init__(self, network: nn.Module, maps: Callable[[Tensor], list[Tensor]]):
        super().__init__()
        self.network, self._maps = network.eval().requires_grad_(False), maps
        self.fingerprint = checksum(network.state_dict())

    def train(self, mode: bool = True) -> FeatureLoss:
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, made: Tensor, target: Tensor) -> Tensor:
        """Compare images `(N, C, H, W)` in [-1, 1]."""
        with torch.no_grad():
            wanted = self._maps(target)
        levels = [
            (one.float() - other.float()).abs().mean() / other.float().abs().mean().clamp_min(1e-6)
            for one, other in zip(self._maps(made), wanted, strict=True)
        ]
        return torch.stack(levels).mean()


def feature_loss(features: str, *, channels: int) -> FeatureLoss:
    """The perceptual loss of a network.

    Parameters
    ----------
    features : str
        As `LossConfig.features`.
    channels : int
        Bands of the images.

    Raises
    ------
    FieldError
        There is no such network, its weights cannot be had or do not fit, or it wants other bands.
    """
    if features.startswith(TORCHVISION):
        return _torchvision_loss(features, channels)
    from gan.enhance.models.feature_network import load_features

    try:
        network, _ = load_features(features)
    except CheckpointError as error:
        require(False, "loss.features", features, f"{ACCEPTED} ({error})")
    require(network.config.channels == channels, "loss.features", features, f"a network for {channels} channels")
    return FeatureLoss(network, network.maps)


def _torchvision_loss(features: str, channels: int) -> FeatureLoss:
    name, _, weights = features.removeprefix(TORCHVISION).partition("=")
    require(name in LAYERS, "loss.features", features, ACCEPTED)
    require(
        channels == 3,
        "loss.features",
        features,
        f"a features file: torchvision's take 3 channels, not {channels}",
    )
    from torchvision.models import get_model
    from torchvision.models.feature_extraction import create_feature_extractor

    network = get_model(name, weights=None)
    network.load_state_dict(_torchvision_weights(features, name, weights, network))
    extractor = create_feature_extractor(network, list(LAYERS[name])).eval()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))

    def maps(images: Tensor) -> list[Tensor]:
        scaled = (images * 0.5 + 0.5 - mean.to(images.device)) / std.to(images.device)
        return list(extractor(scaled).values())

    return FeatureLoss(extractor, maps)


def _torchvision_weights(features: str, name: str, weights: str, network: nn.Module) -> dict[str, Tensor]:
    from torchvision.models import get_model_weights

    try:
        if weights:
            state = torch.load(Path(weights), map_location="cpu", weights_only=True)
        else:
            state = get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
        own = network.state_dict()
        require(
            isinstance(state, dict)
            and {key: tuple(value.shape) for key, value in state.items()}
            == {key: tuple(value.shape) for key, value in own.items()},
            "loss.features",
            features,
            f"weights of {name} as torchvision stores them",
        )
        return state
    except OSError as error:  # no file, no network
        require(False, "loss.features", features, f"weights that can be had ({error}), or {ACCEPTED}")
    raise AssertionError
