"""Shrinks any study of enhancers to minutes on two CPU cores, keeping its shape."""

from __future__ import annotations

import copy
import math
from typing import Any

from gan.enhance.config import EnhanceTrainConfig
from study.config.smoke import scaled_axis, scaled_point, scaled_tree

EPOCHS, SIZE, DEPTH, WIDTH, PAIRS, SAMPLES, TRIALS = 4, 48, 3, 8, 240, 24, 4
PHASES = ("generator", "critic", "adversarial")


def shrink(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the raw study with epochs, networks, images, samples and trials scaled down.

    Phases keep their proportions, of each at least one epoch; the name gains `-smoke`, so that a smoke run never mixes
    with the real study. Perceptual losses from files or downloads are left out.
    """
    raw = copy.deepcopy(raw)
    train, model = raw.get("train") or {}, raw.get("model") or {}
    search, objective = raw.get("search") or {}, raw.get("objective") or {}
    defaults = EnhanceTrainConfig()
    lengths = {phase: _epochs(train, phase, getattr(defaults, phase).epochs) for phase in PHASES}
    time = min(1.0, EPOCHS / max(1, sum(lengths.values())))

    def scaled(path: str, value: Any) -> Any:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return value
        name = path.rpartition(".")[2]
        if name == "epochs":
            return max(int(value > 0), int(value * time + 1e-9))
        if name in ("patience", "max_steps"):
            return min(value, 3)
        if name in ("width", "max_width"):
            return max(2, min(value, WIDTH if name == "width" else 4 * WIDTH))
        if name == "depth":
            return min(value, DEPTH)
        return min(value, 8) if name == "batch_size" else value

    train = {**train, **{phase: {**(train.get(phase) or {}), "epochs": n} for phase, n in lengths.items()}}
    train["loss"] = {**(train.get("loss") or {}), "perceptual_weight": 0.0, "features": None}
    train.setdefault("batch_size", 8)
    critic = {"width": WIDTH, **(model.get("critic") or {})}
    raw["train"] = scaled_tree("train", train, scaled)
    raw["model"] = scaled_tree("model", {"width": WIDTH, "depth": DEPTH, **model, "critic": critic}, scaled)
    axes = {n: a for n, a in (raw.get("axes") or {}).items() if not n.startswith("train.loss.perceptual")}
    raw["axes"] = {name: scaled_axis(name, axis, scaled) for name, axis in axes.items()}
    raw["presets"] = {n: scaled_point(p, scaled) for n, p in (raw.get("presets") or {}).items()}
    grace = math.ceil((search.get("scheduler") or {}).get("grace_epochs", 20) * time)
    raw["search"] = {
        **search,
        "trials": min(search.get("trials") or TRIALS, TRIALS),
        "scheduler": {**(search.get("scheduler") or {}), "grace_epochs": max(1, grace)},
    }
    raw["objective"] = {
        **objective,
        "samples": min(objective.get("samples", SAMPLES), SAMPLES),
        "final_samples": SAMPLES,
        "every_epochs": max(1, round(objective.get("every_epochs", 5) * time)),
        "finalists": min(objective.get("finalists", 2), 2),
    }
    raw["data"] = {
        **(raw.get("data") or {}),
        "set": "synthetic",
        "image_size": SIZE,
        "synthetic_count": PAIRS,
        "held_out": None,
        "train_label": None,
        "judge_label": None,
    }
    raw["resources"] = {"workers": min((raw.get("resources") or {}).get("workers", 1), 2), "cpus_per_worker": 1}
    raw["study"] = f"{raw.get('study')}-smoke"
    return raw


def _epochs(train: dict[str, Any], phase: str, default: int) -> int:
    return int((train.get(phase) or {}).get("epochs", default))
