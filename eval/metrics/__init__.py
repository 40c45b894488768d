"""The metrics: every module of this package registers those that it defines (see `registry`)."""

import importlib
import pkgutil

from eval.metrics.registry import GALAXIES, PAIRS, Metric, Registry, Sample, Samples

FIRST = "shapes"
"""The module whose metrics lead every list: they are the objective unless another is asked for."""

for _name in sorted((module.name for module in pkgutil.iter_modules(__path__)), key=lambda name: (name != FIRST, name)):
    importlib.import_module(f"{__name__}.{_name}")

__all__ = ["GALAXIES", "PAIRS", "Metric", "Registry", "Sample", "Samples"]
