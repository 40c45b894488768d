"""Saved outputs of the generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gan.enhance.training.outputs import saved_outputs
from gan.training.batches import Batches
from tests.gan.enhance.small_trainings import train_config, trainer


def test_saved_outputs_are_what_the_generator_makes(pairs):
    made = trainer(pairs, train_config(1, 2, 0, symmetries=False))
    made.train_epoch()
    made.train_epoch()
    saved = made._saved
    assert isinstance(saved, Batches)
    batch = next(saved.epoch())
    assert set(batch) == {"target", "output"}
    with torch.inference_mode():
        wanted = made.generator_for_sampling()(torch.from_numpy(pairs[0]).permute(0, 3, 1, 2).float() / 255)
    wanted = wanted.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    for output, target in zip(batch["output"], batch["target"], strict=True):
        row = next(i for i, one in enumerate(pairs[1]) if np.array_equal(one, target.numpy()))
        assert (output.int() - wanted[row].int()).abs().max() <= 1  # blocks of another size round elsewhere
    made.train_epoch()
    assert made._saved is None  # and do not outlive their phase


def test_nothing_to_enhance_is_refused():
    with pytest.raises(ValueError, match="no inputs"):
        saved_outputs(torch.nn.Identity(), np.zeros((0, 4, 4, 3), np.uint8), 2, torch.device("cpu"), torch.float32)
