"""Search-space files in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study.config import Study, load_study

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))

GOOD = """\
study: demo
data: {set: synthetic, image_size: 64}
model: {family: dcgan, width: 16}
train:
  epochs: 40
  lr: 2e-4
  dropout: {placement: discriminator_last, p: 0.5}
search: {sampler: random, trials: 5}
axes:
  train.dropout.onset_epoch: {int: [0, 40], step: 10}
  train.dropout.end_epoch: {int: [20, 40], step: 10, when: {train.dropout.onset_epoch: {below: 20}}}
  model.discriminator_width: {choice: [8, 16]}
"""
PAIRS = """\
study: pairs
data: {set: pairs, image_size: 64}
model: {family: unet, depth: 4, width: 32, critic: {width: 32}}
train:
  generator: {epochs: 40, patience: 5}
  critic: {epochs: 8}
  adversarial: {epochs: 80}
search: {sampler: random, trials: 5}
axes:
  train.adversarial.epochs: {int: [40, 80], step: 20}
"""


def write(folder: Path, text: str = GOOD) -> Path:
    """Write a search-space file; returns its path."""
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def load(folder: Path, *overrides: str, text: str = GOOD, smoke: bool = False) -> Study:
    """Read a search-space file that is written first."""
    return load_study(write(folder, text), overrides, smoke=smoke)


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by dotted path."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else key)
    return found
