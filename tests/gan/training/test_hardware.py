"""What the machine computes with, and what it is asked for in vain."""

from __future__ import annotations

import pytest
import torch

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig
from gan.training.hardware import computes_bfloat16, resolve_device, resolve_precision
from gan.training.trainer import Trainer

SMALL = ModelConfig(image_size=16, width=4, latent_dim=8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_one_sentence(blobs):
    with pytest.raises(FieldError, match="no CUDA device"):
        Trainer(SMALL, TrainConfig(), blobs, device="cuda")


def test_devices_and_arithmetic_are_what_was_asked_for():
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(FieldError, match="cuda:N"):
        resolve_device("abacus")
    assert resolve_precision("float32", torch.device("cpu")) is torch.float32
    assert resolve_precision("bfloat16", torch.device("cpu")) is torch.bfloat16
    known = computes_bfloat16(torch.device("cpu"))
    assert resolve_precision("auto", torch.device("cpu")) is (torch.bfloat16 if known else torch.float32)
    assert not computes_bfloat16(torch.device("meta"))
