"""The paper's chain: noise -> galaxies of one size -> galaxies of twice that size."""

from __future__ import annotations

from torch import Tensor, nn


class Chain(nn.Module):
    """Two generators as one, usable wherever a generator of galaxies from noise is.

    z -> stage 1 -> rescale [-1, 1] to [0, 1] -> stage 2 (F&M sec. 2.3).

    Deviations
    ----------
    The released code rescales a batch by its own minimum and maximum; here it is (x + 1) / 2, so that an image does
    not depend on the others in its batch.

    Parameters
    ----------
    stage1 : Module
        Noise `(N, latent_dim)` -> images `(N, C, s, s)` in [-1, 1]; a chain is one too.
    stage2 : Module
        Images `(N, C, s, s)` in [0, 1] -> `(N, C, S, S)` in [-1, 1].

    Raises
    ------
    ValueError
        The second does not take what the first returns.
    """

    def __init__(self, stage1: nn.Module, stage2: nn.Module):
        super().__init__()
        given, taken = getattr(stage1, "image_size", None), getattr(stage2, "input_size", None)
        if taken is None:
            raise ValueError("the second stage of a chain must enlarge images: this generator draws them from noise")
        if not hasattr(stage1, "latent_dim"):
            raise ValueError("the first stage of a chain must draw images from noise: this generator enlarges them")
        if given != taken:
            raise ValueError(
                f"the first stage draws images of {given} px, but the second enlarges images of {taken} px"
            )
        self.stage1, self.stage2 = stage1, stage2
        self.latent_dim, self.image_size = stage1.latent_dim, stage2.image_size

    def forward(self, z: Tensor) -> Tensor:
        return self.stage2((self.stage1(z) + 1.0) * 0.5)
