"""Shrinks any study to minutes on two CPU cores, keeping its shape: same axes, same sampler, same stages."""

from __future__ import annotations

import copy
import math
from typing import Any

EPOCHS, WIDTH, SAMPLES, GALAXIES, TRIALS = 4, 8, 200, 600, 4


def shrink(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the raw study with epochs, widths, samples and trials scaled down.

    Epoch counts, those of axes and schedules included, keep their proportion to `train.epochs`; widths keep
    theirs to the widest one. The name gains `-smoke`, so that a smoke run never mixes with the real study.
    """
    raw = copy.deepcopy(raw)
    train = raw.setdefault("train", None) or {}
    model = raw.get("model") or {}
    search = raw.get("search") or {}
    objective = raw.get("objective") or {}
    epochs = train.get("epochs", 100)
    time = min(1.0, EPOCHS / epochs)
    space = min(1.0, WIDTH / max(_widths(raw, model)))
    batch = min(train.get("batch_size", 32), 64)

    def scaled(path: str, value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        name = path.rpartition(".")[2]
        if not number:
            return value
        if name.endswith("epochs") or name.endswith("epoch") or name == "lr_half_life":
            return max(int(name in ("epochs", "lr_half_life")), round(value * time))
        if name.endswith("width"):
            return max(2, round(value * space))
        return min(value, 64) if name == "batch_size" else value

    raw["train"] = scaled_tree("train", {**train, "epochs": epochs, "batch_size": batch}, scaled)
    raw["model"] = scaled_tree("model", {**model, "width": model.get("width", 128)}, scaled)
    raw["axes"] = {name: scaled_axis(name, axis, scaled) for name, axis in (raw.get("axes") or {}).items()}
    raw["presets"] = {n: scaled_point(p, scaled) for n, p in (raw.get("presets") or {}).items()}
    grace = math.ceil((search.get("scheduler") or {}).get("grace_epochs", 20) * time)
    raw["search"] = {
        **search,
        "trials": min(search.get("trials") or TRIALS, TRIALS),
        "scheduler": {**(search.get("scheduler") or {}), "grace_epochs": max(1, grace)},
    }
    raw["objective"] = {
        **objective,
        "samples": min(objective.get("samples", 2000), SAMPLES),
        "final_samples": SAMPLES,
        "every_epochs": max(1, round(objective.get("every_epochs", 10) * time)),
        "finalists": min(objective.get("finalists", 3), 2),
    }
    raw["data"] = {**(raw.get("data") or {}), "set": "synthetic", "synthetic_count": GALAXIES, "held_out": None}
    raw["resources"] = {"workers": min((raw.get("resources") or {}).get("workers", 1), 2), "cpus_per_worker": 1}
    raw["study"] = f"{raw.get('study')}-smoke"
    return raw


def _widths(raw: dict[str, Any], model: dict[str, Any]) -> list[float]:
    found = [float(model.get(name) or 0) for name in ("width", "discriminator_width")] + [1.0]
    if "width" not in model:
        found.append(128.0)
    return found


def scaled_tree(path: str, node: Any, scaled: Any) -> Any:
    """Nested values with `scaled(dotted path, value)` in place of each."""
    if isinstance(node, dict):
        return {key: scaled_tree(f"{path}.{key}", value, scaled) for key, value in node.items()}
    return scaled(path, node)


def scaled_point(point: Any, scaled: Any) -> Any:
    """As `scaled_tree`, for values by dotted path."""
    return {path: scaled(path, value) for path, value in point.items()} if isinstance(point, dict) else point


def scaled_axis(name: str, axis: Any, scaled: Any) -> Any:
    """An axis whose bounds, choices, points and conditions are scaled; what becomes alike is there once."""
    if not isinstance(axis, dict):
        return axis
    axis = dict(axis)
    if isinstance(axis.get("when"), dict):
        axis["when"] = {
            path: {op: scaled(path, value) for op, value in test.items()} if isinstance(test, dict) else test
            for path, test in axis["when"].items()
        }
    if isinstance(axis.get("points"), list):
        axis["points"] = _distinct([scaled_point(point, scaled) for point in axis["points"]])
    if isinstance(axis.get("choice"), list):
        axis["choice"] = _distinct([scaled(name, value) for value in axis["choice"]])
    bounds = axis.get("int")
    if isinstance(bounds, list) and len(bounds) == 2 and scaled(name, 1000) != 1000:
        low, high = (scaled(name, bound) for bound in bounds)
        if isinstance(low, int) and isinstance(high, int) and bounds[0] < bounds[1]:
            axis["int"] = [low, max(high, low + 1)]
            axis.pop("step", None)
    return axis


def _distinct(values: list[Any]) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if not any(value == other and type(value) is type(other) for other in kept):
            kept.append(value)
    return kept
