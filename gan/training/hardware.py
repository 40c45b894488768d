"""What the machine computes with: device, precision, memory format."""

from __future__ import annotations

from pathlib import Path

import torch

from common.errors import FieldError
from gan.config import Precision


def resolve_device(device: torch.device | str | None) -> torch.device:
    """Return the device asked for; None: the first GPU when there is one, otherwise the CPU.

    Parameters
    ----------
    device : device, str or None
        "cpu", "cuda" or "cuda:N".

    Returns
    -------
    torch.device

    Raises
    ------
    FieldError
        A GPU is asked for and there is none, or that is no name of a device.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise FieldError("device", str(device), "cpu, cuda or cuda:N") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise FieldError("device", str(device), "cpu: this machine has no CUDA device that PyTorch can use")
    return chosen


def _cpu_flags() -> set[str]:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16 itself: GPUs from compute capability 8, CPUs with AVX512-BF16 or AMX."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and bool({"amx_bf16", "avx512_bf16"} & _cpu_flags())
    return False


def resolve_precision(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the arithmetic of forward and backward passes: float32 or bfloat16.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        `auto` is bfloat16 where the hardware computes with it.
    device : torch.device
        Where to compute.

    Returns
    -------
    torch.dtype
    """
    if precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32
