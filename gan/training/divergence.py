"""Cheap looks at a training: has it diverged, has it collapsed, what do batch norms of an average need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from common.errors import require

LOOK_IMAGES, LOOK_BLOCK, LOOK_SEED = 64, 16, 0
NORM_IMAGES, NORM_SEED = 512, 1
BLOCK = 64
REAL_IMAGES = 256
ALIKE = 0.05  # of the spread, or of the contrast, of real images
PATIENCE = 3  # epochs in a row
WARM_UP_STEPS = 3000  # a healthy training may draw nearly one galaxy at first


def losses_problem(means: Tensor) -> str | None:
    """Say so when a loss (`means[0]` of the discriminator, `means[1]` of the generator) is NaN or infinite.

    Raises
    ------
    FieldError
        There are fewer than two means.
    """
    require(means.ndim == 1 and len(means) >= 2, "means", tuple(means.shape), "two losses or more")
    if bool(torch.isfinite(means[:2]).all()):
        return None
    return f"a loss is not finite (discriminator {float(means[0])}, generator {float(means[1])})"


def weights_problem(networks: Iterable[nn.Module]) -> str | None:
    """Say so when a weight or a running statistic is NaN or infinite, or so large that its square is (above 1.8e19).

    Parameters
    ----------
    networks : iterable of Module
        All whose weights matter.

    Returns
    -------
    str or None
        None: all are finite.
    """
    tensors = [t.detach() for net in networks for t in (*net.parameters(), *net.buffers()) if t.is_floating_point()]
    if bool(torch.isfinite(nn.utils.get_total_norm(tensors))):
        return None
    return "a weight is not finite"


def spread_and_contrast(images: Tensor) -> tuple[float, float]:
    """Return how images differ from one another, and how the pixels of one differ, as standard deviations.

    Parameters
    ----------
    images : Tensor, (N, C, H, W)
        Two images or more.

    Raises
    ------
    FieldError
        There are fewer, or they have another number of axes.
    """
    require(images.ndim == 4 and len(images) >= 2, "images", tuple(images.shape), "(N, C, H, W), two or more")
    images = images.float()
    return float(images.std(0).mean()), float(images.std((1, 2, 3)).mean())


class Health:
    """Compares what a generator draws with real images; tells a collapse once it has lasted.

    Collapse: for 3 epochs in a row 64 generated images have less than 0.05 of the spread (all alike) or of the contrast
    (flat) of real images. The first 3,000 steps do not count: a training that ends well can look like this for many
    epochs at first.

    Parameters
    ----------
    real : ndarray, (n, S, S, C) uint8
        Training images, two or more; up to 256, evenly spaced, are looked at.

    Raises
    ------
    FieldError
        They are no such images.
    """

    def __init__(self, real: np.ndarray):
        good = real.ndim == 4 and len(real) >= 2 and real.dtype == np.uint8
        require(good, "real", f"{real.shape} {real.dtype}", "(n, S, S, C) uint8, two or more")
        rows = np.linspace(0, len(real) - 1, min(len(real), REAL_IMAGES)).astype(int)
        signed = torch.from_numpy(np.asarray(real[rows])).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        self.real_spread, self.real_contrast = spread_and_contrast(signed)
        self._alike = 0

    @torch.no_grad()
    def look(self, generator: nn.Module, inputs: Tensor, *, steps: int) -> tuple[float, str | None]:
        """Draw from `inputs` with `generator` in evaluation mode, after `steps` steps of training.

        Parameters
        ----------
        generator : Module
            Returns images (N, C, H, W) in [-1, 1].
        inputs : Tensor, (N, ...)
            What it takes, two or more.
        steps : int
            0 or more.

        Returns
        -------
        spread : float
            Of the generated images in units of that of real ones; NaN where those are all alike.
        problem : str or None
            The collapse in words.

        Raises
        ------
        FieldError
            There are fewer than two inputs, or `steps` is negative.
        """
        require(len(inputs) >= 2, "inputs", len(inputs), "two or more")
        require(steps >= 0, "steps", steps, "0 or more")
        spread, contrast = spread_and_contrast(torch.cat([generator(part) for part in inputs.split(LOOK_BLOCK)]))
        spread = spread / self.real_spread if self.real_spread else float("nan")
        contrast = contrast / self.real_contrast if self.real_contrast else float("nan")
        self._alike = self._alike + 1 if steps > WARM_UP_STEPS and (spread < ALIKE or contrast < ALIKE) else 0
        if self._alike < PATIENCE:
            return spread, None
        what = "flat" if contrast < ALIKE else "all alike"
        return spread, (
            f"collapsed: for {self._alike} epochs the generated images have been {what} "
            f"(spread {spread:.3f}, contrast {contrast:.3f} of real images')"
        )

    def state_dict(self) -> dict[str, Any]:
        """What the next look depends on."""
        return {"alike": self._alike}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._alike = int(state["alike"])


@torch.no_grad()
def estimate_batch_norm(network: nn.Module, inputs: Tensor) -> None:
    """Set the running statistics of every batch norm to means over blocks of 64 of `inputs`; leaves evaluation mode on.

    Averaged weights have activations of their own, of which an average of past running statistics knows nothing.

    Parameters
    ----------
    network : Module
        Its `BatchNorm2d` layers are changed.
    inputs : Tensor, (N, ...)
        What the network takes, one or more.

    Raises
    ------
    FieldError
        There are no inputs.
    """
    require(len(inputs) >= 1, "inputs", len(inputs), "one or more")
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    network.train()
    for block in inputs.split(BLOCK):
        network(block)
    network.eval()
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
