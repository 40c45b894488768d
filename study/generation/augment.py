"""Random flips and rotations of generated galaxies: F&M's cure (sec. 5) for the dip in their position angles.

A generator trained with convolutions on a square grid prefers some angles; a galaxy on the sky prefers none.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Augment = Literal["none", "right", "any"]
_STREAM = 1 << 63
"""Separates these random numbers from the generator's noise, whose streams are numbered from 0."""


def augment(images: np.ndarray, how: Augment, *, seed: int, start: int = 0) -> np.ndarray:
    """Turn and flip images at random; image i depends on (seed, start + i) only.

    Parameters
    ----------
    images : (n, H, H, C) uint8 array
        Square images.
    how : {"none", "right", "any"}
        `right`: one of the eight flips and right-angle turns of the square, which move pixels and change none.
        `any`: a flip or not and an angle uniform in [0, 360) degrees, resampled bicubically (a = -0.75, as
        PyTorch's), beyond the frame by reflection; smooths the noise a little, as any resampling does.
    seed : int
        0 or more.
    start : int
        Number of the first image.

    Returns
    -------
    ndarray
        (n, H, H, C) uint8.
    """
    if how == "none" or len(images) == 0:
        return images
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ValueError(f"images of shape {images.shape} cannot be turned: expected (n, H, H, C)")
    draws = np.stack([_uniform(seed, start + i) for i in range(len(images))])
    flips = draws[:, 0] < 0.5
    if how == "right":
        turns = (4 * draws[:, 1]).astype(int)
        return np.stack([_moved(image, flip, turn) for image, flip, turn in zip(images, flips, turns, strict=True)])
    return _turned(images, flips, 2 * np.pi * draws[:, 1])


def _uniform(seed: int, index: int) -> np.ndarray:
    key = np.array([seed, _STREAM + index], np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(2)


def _moved(image: np.ndarray, flip: bool, turns: int) -> np.ndarray:
    return np.rot90(image[:, ::-1] if flip else image, turns)


def _turned(images: np.ndarray, flips: np.ndarray, angles: np.ndarray) -> np.ndarray:
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    cos, sin, mirror = np.cos(angles), np.sin(angles), np.where(flips, -1.0, 1.0)
    zero = np.zeros_like(cos)
    matrices = np.stack([np.stack([mirror * cos, mirror * -sin, zero], -1), np.stack([sin, cos, zero], -1)], 1)
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    turned = []
    for part, matrix in zip(pixels.split(64), torch.from_numpy(matrices.astype(np.float32)).split(64), strict=True):
        grid = affine_grid(matrix, list(part.shape), align_corners=False)
        moved = grid_sample(part.float(), grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        turned.append(moved.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(turned)
