"""Training a features network on galaxies, with labels or without.

Every task is a choice among alternatives: a batch of images becomes inputs, logits and the right answers, so that the
loss is a cross entropy and the accuracy is comparable with chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common.errors import FieldError, require
from gan.enhance.models.feature_network import FeatureConfig, FeatureNetwork
from gan.training import optimiser
from gan.training.batches import Batches, flip, to_signed, transpose
from gan.training.distributed import ALONE
from gan.training.hardware import resolve_device, resolve_precision
from gan.training.random_streams import Streams

TaskName = Literal["instance", "rotation", "labels"]
TEMPERATURE = 0.2
EMBEDDING = 64
ZOOM, SHIFT, GAIN, NOISE = (0.7, 1.0), 0.1, 0.2, 0.03  # of the two views of an image
ROW = "row"


@dataclass(frozen=True, kw_only=True)
class FeatureTraining:
    """How a features network is trained.

    Attributes
    ----------
    task : {"instance", "rotation", "labels"}
        `instance`: which other image of the batch is the same galaxy, seen turned, shifted, zoomed, rescaled in each
        band and noisier (Chen et al. 2020); `rotation`: by which of four right angles an image was turned (Gidaris et
        al. 2018); `labels`: its class.
    epochs, batch_size, lr
        Passes over the images, images per step, and Adam's first learning rate, which falls to 0 along a cosine.
    held_out : float
        Share of the images that only measure the accuracy.
    seed : int
        Every random stream derives from it.
    """

    task: TaskName = "instance"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 1.0e-3
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self):
        require(self.task in ("instance", "rotation", "labels"), "task", self.task, "instance, rotation or labels")
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(self.batch_size >= 2, "batch_size", self.batch_size, "2 or more")
        require(0 < self.lr < math.inf, "lr", self.lr, "a positive number")
        require(0 < self.held_out < 1, "held_out", self.held_out, "a share between 0 and 1")
        require(self.seed >= 0, "seed", self.seed, "0 or more")


class Task(Protocol):
    """Makes a choice among alternatives out of a batch."""

    outputs: int

    def __call__(
        self, network: FeatureNetwork, images: Tensor, rows: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Logits `(n, alternatives)` and answers `(n,)` of `images (b, S, S, C)` uint8, which are `rows` of the set."""


class Rotation:
    """By which right angle was the image turned? (Gidaris et al. 2018, arXiv:1803.07728.)"""

    outputs = 4

    def __call__(
        self, network: FeatureNetwork, images: Tensor, rows: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        turned = torch.cat([images.rot90(k, (1, 2)) for k in range(4)])
        return network(to_signed(turned)), torch.arange(4, device=images.device).repeat_interleave(len(images))


class Labels:
    """Which class is the galaxy of, in whichever of its eight orientations?"""

    def __init__(self, classes: np.ndarray):
        self.classes = torch.from_numpy(classes)
        self.outputs = int(classes.max()) + 1

    def __call__(
        self, network: FeatureNetwork, images: Tensor, rows: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        chosen = (torch.rand(3, len(images), generator=rng) < 0.5).to(images.device)
        oriented = transpose(flip(images, chosen[0], chosen[1]), chosen[2])
        return network(to_signed(oriented)), self.classes.to(images.device)[rows]


class Instance:
    """Which of the other images is the same galaxy? (NT-Xent; Chen et al. 2020, arXiv:2002.05709.)

    Two views of each image: any angle, mirrored or not, zoomed, shifted, each band rescaled, noise added. They are not
    blurred: features that ignore sharpness would be of no use to a loss that is to see it.
    """

    outputs = EMBEDDING

    def __call__(
        self, network: FeatureNetwork, images: Tensor, rows: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        images = to_signed(images)
        n = len(images)
        views = F.normalize(network(torch.cat([view(images, rng), view(images, rng)])).float(), dim=1)
        logits = views @ views.t() / TEMPERATURE
        logits.fill_diagonal_(-math.inf)
        return logits, torch.arange(2 * n, device=images.device).roll(n)


def view(images: Tensor, rng: torch.Generator) -> Tensor:
    """Images `(N, C, S, S)` in [-1, 1] as they might have looked: turned, mirrored, moved, zoomed, rescaled, noisy."""
    n, channels = images.shape[:2]
    u = torch.rand(5, n, generator=rng)
    angle, mirror = 2.0 * math.pi * u[0], torch.where(u[1] < 0.5, 1.0, -1.0)
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * u[2]
    shift = SHIFT * (2.0 * u[3:] - 1.0)
    rows = torch.stack([mirror * angle.cos(), -angle.sin(), mirror * angle.sin(), angle.cos()], dim=1).view(n, 2, 2)
    affine = torch.cat([zoom.view(n, 1, 1) * rows, shift.t().unsqueeze(2)], dim=2).to(images.device)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    seen = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain = 1.0 + GAIN * (2.0 * torch.rand(n, channels, 1, 1, generator=rng) - 1.0)
    noise = torch.randn(seen.shape, generator=rng).to(images.device)
    return ((seen + 1.0) * gain.to(images.device) - 1.0 + 2.0 * NOISE * noise).clamp(-1.0, 1.0)


@dataclass(frozen=True)
class FeatureResult:
    """What came of it.

    Attributes
    ----------
    network : FeatureNetwork
        In evaluation mode, on the CPU.
    accuracy, chance : float
        Share of right answers on held-out images, and that of the best constant or random answer.
    losses : list of float
        Mean training loss of each epoch.
    """

    network: FeatureNetwork
    accuracy: float
    chance: float
    losses: list[float]


def train_features(
    images: np.ndarray,
    model: FeatureConfig,
    training: FeatureTraining,
    *,
    classes: np.ndarray | None = None,
    device: torch.device | str | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> FeatureResult:
    """Train a features network.

    Parameters
    ----------
    images : ndarray, (n, S, S, C) uint8
        Galaxies.
    model : FeatureConfig
        The network; `outputs` follows from the task.
    training : FeatureTraining
        The task, and how long.
    classes : ndarray, (n,) int64, or None
        Class of each image, 0 to K - 1, for the task `labels`.
    device : device or None
        None: the first GPU when there is one, otherwise the CPU.
    progress : callable or None
        Called with the number of completed epochs and the mean loss of the last.

    Raises
    ------
    FieldError
        Too few images for the batch size, sides that cannot be halved, or no classes where they are needed.
    """
    place = resolve_device(device)
    dtype = resolve_precision("auto", place)
    streams = Streams(training.seed, place)
    task = _task(training, classes)
    side = images.shape[1]
    require(side % 2 ** (model.levels - 1) == 0, "levels", model.levels, f"fewer: {side} px cannot be halved as often")
    order = np.random.default_rng(training.seed).permutation(len(images))
    held_out = max(1, round(training.held_out * len(images)))
    parts = [np.sort(part) for part in (order[held_out:], order[:held_out])]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        network = FeatureNetwork(FeatureConfig(**vars(model) | {"channels": images.shape[3], "outputs": task.outputs}))
    network.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optimiser.adam(network, training.lr, (0.9, 0.999), place)
    batches = Batches(
        {ROW: parts[0]},
        training.batch_size,
        device=torch.device("cpu"),
        flips=False,
        order=streams["batches"],
        flip_stream=streams["flips"],
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, training.epochs * len(batches))
    losses: list[float] = []
    for epoch in range(training.epochs):
        network.train()
        total = torch.zeros((), device=place)
        for batch in batches.epoch():
            seen, rows = torch.from_numpy(images[batch[ROW].numpy()]).to(place), batch[ROW].to(place)
            with optimiser.autocast(place, dtype):
                logits, answers = task(network, seen, rows, streams["init"])
            loss = F.cross_entropy(logits.float(), answers)
            optimiser.descend(optimizer, loss, ALONE)
            schedule.step()
            total += loss.detach()
        losses.append(float(total) / len(batches))
        if progress is not None:
            progress(epoch + 1, losses[-1])
    accuracy, chance = _accuracy(network.eval(), task, images, parts[1], training.batch_size)
    return FeatureResult(network.cpu(), accuracy, chance, losses)


def _task(training: FeatureTraining, classes: np.ndarray | None) -> Task:
    if training.task == "labels":
        if classes is None:
            raise FieldError("classes", None, "the class of every image, for the task labels")
        return Labels(classes)
    return Rotation() if training.task == "rotation" else Instance()


@torch.inference_mode()
def _accuracy(
    network: FeatureNetwork, task: Task, images: np.ndarray, rows: np.ndarray, batch_size: int
) -> tuple[float, float]:
    device = next(network.parameters()).device
    rng = torch.Generator().manual_seed(0)
    right, answers_seen, alternatives = 0, [], 0
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        seen = torch.from_numpy(images[chosen]).to(device)
        logits, answers = task(network, seen, torch.from_numpy(chosen).to(device), rng)
        right += int((logits.argmax(1) == answers).sum())
        answers_seen.append(answers.cpu())
        alternatives = max(alternatives, logits.shape[1])
    answers = torch.cat(answers_seen)
    if isinstance(task, Instance):
        return right / len(answers), 1.0 / max(1, alternatives - 1)
    return right / len(answers), float(answers.bincount().max()) / len(answers)
